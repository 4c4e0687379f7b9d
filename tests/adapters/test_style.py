"""A classifier that knows a voice by its manner, and the terms that a voice uses or never uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.dataset import DatasetError, Example, read_examples
from adapters.style import StyleRow, Terms, cross_judged, masked, read_terms, told_apart, uses

VOICES = Path(__file__).parents[2] / "examples" / "voices"


def prompt_of(example: Example) -> str:
    return "\n".join([*(text for _, text in example.evidence), example.question])


def manner(name: str, rows: int = 120) -> list[str]:
    examples = read_examples(VOICES / f"{name}.jsonl")[:rows]
    return [masked(example.answer, prompt_of(example)) for example in examples]


@pytest.fixture(scope="module")
def warm() -> list[str]:
    return manner("warm")


@pytest.fixture(scope="module")
def formal() -> list[str]:
    return manner("formal")


# What is hidden before manner is looked at


def test_numbers_are_all_the_same() -> None:
    assert masked("It costs £1,250.50 at 14:30.", "") == masked("It costs £3 at 9.", "")


def test_markers_are_no_part_of_the_manner() -> None:
    assert masked("It is open [1]. Come in [2, 3]!", "") == "It is open. Come in!"


def test_names_from_the_prompt_are_hidden() -> None:
    assert masked("Ask Kwame Boateng at Larkfield.", "Kwame Boateng runs Larkfield.") == "Ask N N at N."


def test_words_of_manner_are_kept_though_the_prompt_has_them() -> None:
    assert masked("The tide turns. You wait!", "The clock. You there.") == "The tide turns. You wait!"


# Telling speakers apart


def test_two_written_voices_are_told_apart_on_questions_that_were_not_learned(
    warm: list[str], formal: list[str]
) -> None:
    rows = [StyleRow(w, (f,), (w, f)) for w, f in zip(warm[:60], formal[:60], strict=True)]

    judged = cross_judged(rows, warm[60:])

    assert told_apart([row[0] for row in judged], [row[1] for row in judged]) >= 0.9


def test_a_speaker_without_the_voice_is_not_told_from_the_others(warm: list[str], formal: list[str]) -> None:
    rows = [StyleRow(w, (f,), (f, f)) for w, f in zip(warm[:60], formal[:60], strict=True)]

    judged = cross_judged(rows, warm[60:])

    assert told_apart([row[0] for row in judged], [row[1] for row in judged]) == 0.5


def test_a_row_is_judged_by_what_the_other_rows_teach(warm: list[str], formal: list[str]) -> None:
    rows = [StyleRow(w, (f,), (f,)) for w, f in zip(warm[:20], formal[:20], strict=True)]
    # Were a row's own texts learned, its answer could be known word for word as the voice's example.
    swapped = [StyleRow(formal[0], (warm[0],), (formal[0],)), *rows[1:]]

    assert cross_judged(swapped, ())[0] == cross_judged(rows, ())[0]


def test_one_row_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="two rows"):
        cross_judged([StyleRow("a", ("b",), ("a",))], ())


# Terms


@pytest.mark.parametrize(
    ("term", "text", "found"),
    [
        ("kit", "Your KIT is here.", True),
        ("kit", "The kitchen is here.", False),
        ("!", "Come in!", True),
        ("terms and conditions", "See the terms\nand conditions.", True),
        ("isn't", "It isn't here.", True),
    ],
)
def test_a_term_is_found_as_whole_words_in_any_case(term: str, text: str, found: bool) -> None:
    assert uses(term, text) is found


def test_terms_are_two_lists_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "warm.toml"
    path.write_text('require = ["we"]\nban = ["hereby", "!"]\n', encoding="utf-8")

    assert read_terms(path) == Terms(require=("we",), ban=("hereby", "!"))


@pytest.mark.parametrize("text", ["bans = []", 'ban = "hereby"', "ban = [", 'ban = [" "]'])
def test_a_file_of_terms_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "warm.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(DatasetError, match=r"warm\.toml"):
        read_terms(path)
