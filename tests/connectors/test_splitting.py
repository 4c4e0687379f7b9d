import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.splitting import split

SENTENCE = "The barrier opens with a code [1]. "


def test_a_text_that_fits_is_one_part() -> None:
    assert split("One.\n\nTwo.", 100) == ("One.\n\nTwo.",)


def test_an_empty_text_has_no_part() -> None:
    assert split("\n \n", 100) == ()


def test_a_text_is_cut_between_paragraphs() -> None:
    first, second = "a" * 60, "b" * 60

    assert split(f"{first}\n\n{second}", 100) == (first, second)


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    parts = split(SENTENCE * 20, 150)

    assert all(part.endswith("[1].") for part in parts)
    assert " ".join(parts) == (SENTENCE * 20).strip()


def test_a_marker_stays_with_its_sentence() -> None:
    text = "x" * 93 + " end. [1] Next words follow here."

    assert all("[1]" in part or "end." not in part for part in split(text, 100))


@pytest.mark.parametrize(
    "whole", ["[the handbook](https://wiki.example.com/a_b)", "<https://wiki.example.com/a>", "`a b c d`"]
)
@pytest.mark.parametrize("before", range(60, 100, 7))
def test_a_link_and_a_code_span_are_never_cut(whole: str, before: int) -> None:
    words = ("word " * 40)[:before]

    assert any(whole in part for part in split(f"{words}{whole} {words}", 120))


def test_a_fence_that_fits_is_not_cut() -> None:
    fence = "```python\n" + "print(1)\n" * 5 + "```"

    assert fence in split("a" * 80 + "\n\n" + fence, 100)


def test_a_fence_that_is_too_long_is_opened_again() -> None:
    lines = [f"line {number}" for number in range(60)]
    parts = split("```python\n" + "\n".join(lines) + "\n```", 120)

    assert all(part.startswith("```python\n") and part.endswith("\n```") for part in parts)
    assert [line for part in parts for line in part.split("\n")[1:-1]] == lines


def test_a_table_that_is_too_long_repeats_its_head() -> None:
    head = "| Part | Price |\n| --- | --- |\n"
    rows = [f"| Badger {number} | £{number}.00 |" for number in range(30)]
    parts = split(head + "\n".join(rows), 200)

    assert all(part.startswith(head) for part in parts)
    assert [row for part in parts for row in part.split("\n")[2:]] == rows


def test_text_without_pauses_is_cut_at_the_limit() -> None:
    assert [len(part) for part in split("日" * 250, 100)] == [100, 100, 50]


LUMPS = ["word ", "\n", "\n\n", "```\n", "`", "[1]", "[a](https://b.example/c)", "x" * 50, "| a | b |\n"]
LUMPS += ["|---|---|\n", "~~~\n", "> ", "- ", ". ", "&amp;", "日本。"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(LUMPS), max_size=80).map("".join), st.integers(100, 400))
def test_no_part_is_too_long_and_no_word_is_lost(text: str, limit: int) -> None:
    parts = split(text, limit)

    assert all(0 < len(part) <= limit for part in parts)
    assert all(word in "".join(parts) for word in re.findall(r"word|\[1\]|日", text))


@pytest.mark.timeout(60)
def test_a_very_long_text_is_cut_quickly() -> None:
    assert split("word " * 40_000 + "`" * 20_000, 12_000)
