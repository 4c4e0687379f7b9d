"""A passage knows the line of the original file on which it begins, or says that it does not."""

from __future__ import annotations

from itertools import pairwise

import pytest
from index_standins import ParagraphChunker

from knowledge.conversion import to_markdown
from knowledge.documents import Passage, RawDocument
from knowledge.lines import line_numbers


def lines_of(text: str | bytes, name: str = "a.md") -> dict[str, int | None]:
    """The line of each paragraph, by the first line of its text."""
    raw = RawDocument(name, name, text.encode() if isinstance(text, str) else text)
    document = to_markdown(raw)
    passages = ParagraphChunker().split(document)
    numbers = line_numbers(raw, document.markdown, passages)
    return {passage.text.splitlines()[0]: number for passage, number in zip(passages, numbers, strict=True)}


def test_lines_are_counted_from_one() -> None:
    assert lines_of("First.\n\nSecond,\nof two lines.\n\n\nThird.") == {
        "First.": 1,
        "Second,": 3,
        "Third.": 7,
    }


def test_front_matter_and_comments_count_though_they_are_left_out() -> None:
    text = "---\ntitle: A\n---\n\n<!-- to\ndo -->\n\nFirst.\n\nSecond <!-- hm --> half.\nMore."
    assert lines_of(text) == {"First.": 8, "Second  half.": 11}


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_the_ends_of_lines_may_be_those_of_windows(end: str) -> None:
    assert lines_of(f"First.{end}{end}Second.") == {"First.": 1, "Second.": 3}


def test_text_that_stands_twice_has_two_lines() -> None:
    raw = RawDocument("a.md", "a.md", b"# A\n\nAs above.\n\n# B\n\nAs above.\n")
    document = to_markdown(raw)
    assert line_numbers(raw, document.markdown, ParagraphChunker().split(document)) == (3, 7)


def test_a_repeated_line_is_told_by_the_one_below_it() -> None:
    assert lines_of("| Item | Price |\n\nx\n\n| Item | Price |\n| --- | --- |\n| Ink | 3 |")["x"] == 3
    text = "# A\n\nNote:\n\n# B\n\nNote:\nnothing at all."
    raw = RawDocument("a.md", "a.md", text.encode())
    start = text.rindex("Note:")
    assert line_numbers(raw, text, [Passage("", text[start:], start, len(text))]) == (7,)


def test_a_passage_may_begin_in_the_middle_of_a_line() -> None:
    text = "Intro.\n\nThe first sentence of a long line. The second sentence of a long line.\nAnd more."
    raw = RawDocument("a.md", "a.md", text.encode())
    cuts = [0, text.index("The first"), text.index("The second"), len(text)]
    passages = [Passage("", text[start:end].strip(), start, end) for start, end in pairwise(cuts)]
    assert line_numbers(raw, text, passages) == (1, 3, 3)


def test_code_is_found_behind_the_fences_that_were_put_round_it() -> None:
    code = "import os\n\n\ndef first():\n    return 1\n\n\ndef second():\n    return os\n"
    raw = RawDocument("a.py", "a.py", code.encode())
    document = to_markdown(raw)
    assert line_numbers(raw, document.markdown, ParagraphChunker().split(document)) == (1, 4, 8)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", "<p>First paragraph.</p>"),
        ("a.csv", "name,price\nink,3\n"),
        ("a.rst", "Title\n=====\n\nText."),
    ],
)
def test_what_is_converted_otherwise_has_no_lines(name: str, content: str) -> None:
    assert set(lines_of(content, name).values()) == {None}


def test_text_that_is_not_in_the_file_has_no_line() -> None:
    raw = RawDocument("a.md", "a.md", b"First.\n\nSecond.")
    text = "Something quite different from that."
    assert line_numbers(raw, text, [Passage("", text, 0, len(text))]) == (None,)
