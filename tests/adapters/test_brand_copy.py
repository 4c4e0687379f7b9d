"""Pairs from a brand's own writing: what is deleted, what stays, and which sentences give none."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.brand_copy import CopyFile, pairs_from_copy, read_copy
from adapters.dataset import DatasetError, Example

NEUTRAL = [
    "Parcels leave the depot at 14:00 on working days.",
    "The warranty of the kettle is two years from the date of purchase.",
    "A lost key costs £15 and is replaced at the desk.",
] * 20
# Chatty words in many places, so that they are habits of this writing.
CHATTER = "\n\n".join(
    f"We've put your {thing} by the {place}, and we'd really love it if you'd tell us. " * 6
    for thing, place in (
        ("lamp", "door"),
        ("rope", "gate"),
        ("tent", "wall"),
        ("drum", "shed"),
        ("sail", "quay"),
    )
)


def rows_of(text: str) -> list[Example]:
    files = (CopyFile(Path("chatter.md"), CHATTER), CopyFile(Path("letter.md"), text))
    return list(pairs_from_copy(files, NEUTRAL)[1][1])


def test_the_evidence_is_the_sentence_without_the_habits_of_the_writing() -> None:
    (row,) = rows_of("We've really mended your copper stove, and we'd love a picture of the yellow flame.")
    assert row.evidence == (("", "Mended copper stove, love a picture of the yellow flame."),)
    assert row.answer == (
        "We've really mended your copper stove, and we'd love a picture of the yellow flame [1]."
    )


def test_the_question_is_three_words_of_content_in_their_order() -> None:
    (row,) = rows_of("We've really mended your copper stove, and we'd love a picture of the yellow flame.")
    content = ["mended", "copper", "stove", "love", "picture", "yellow", "flame"]
    asked = row.question.split()
    assert len(asked) == 3
    assert asked == [word for word in content if word in asked]


def test_numbers_names_and_denials_are_never_deleted() -> None:
    (row,) = rows_of(
        "We don't really post your parcels to Elsbeth before 3 May, and never without £4 postage."
    )
    for word in ("don't", "Elsbeth", "before", "3 May", "never", "without", "£4"):
        assert word in row.evidence[0][1]


def test_a_sentence_of_which_hardly_anything_would_be_deleted_gives_no_row() -> None:
    assert rows_of("Copper stoves boil spring water within eleven short minutes outdoors.") == []


def test_a_sentence_of_which_too_little_would_be_left_gives_no_row() -> None:
    assert rows_of("We've really, and we'd tell you if you'd really tell us that we've tent.") == []


@pytest.mark.parametrize(
    "text",
    [
        "Have you ever wondered what we've really done with your copper stove lately?",
        "It has really come back to us, and we'd love your picture of the yellow flame.",
        'We heard "please polish your stove" from somebody, and we\'d really rather leave the copper.',
        "# We've really mended your copper stove, and we'd love a picture of the flame",
        "```\nWe've really mended your copper stove, and we'd love a picture of the flame.\n```",
    ],
)
def test_questions_loose_ends_speech_headings_and_code_give_no_row(text: str) -> None:
    assert rows_of(text) == []


def test_a_short_sentence_is_taken_together_with_the_next() -> None:
    (row,) = rows_of("Mind the step. We've really polished your copper stove and we'd love a picture.")
    assert row.answer == (
        "Mind the step [1]. We've really polished your copper stove and we'd love a picture [1]."
    )


def test_marks_of_markdown_are_taken_off_and_the_line_is_told() -> None:
    text = "# Letter\n\n- We've *really* mended your [copper stove](x.md), and we'd love a picture.\n"
    (row,) = rows_of(text)
    assert row.line == 3
    assert row.answer == "We've really mended your copper stove, and we'd love a picture [1]."


def test_the_texts_of_a_folder_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.md", "a.txt", "deep/c.md", "picture.png"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    assert [file.text for file in read_copy(tmp_path)] == ["a.txt", "b.md", "deep/c.md"]


@pytest.mark.parametrize(
    ("content", "said"), [(None, "holds no .md or .txt"), (b"caf\xe9", "save its files as")]
)
def test_a_folder_without_readable_writing_is_refused(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "a.md").write_bytes(content)
    with pytest.raises(DatasetError, match=said):
        read_copy(tmp_path)
