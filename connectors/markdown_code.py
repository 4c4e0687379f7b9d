"""Where the code is in a Markdown text: fences and code spans, which are shown as they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_OPENING = re.compile(r"(?P<indent>[\s>]*(?:(?:[-*+]|\d{1,9}[.)])[\s>]+)*)(?P<marks>`{3,}|~{3,})")
# CommonMark 0.31, section 6.1, but only within a line: what follows a line's end may be another block.
_SPAN = re.compile(r"(?<![`\\])(`+)(?!`)[^\n]+?(?<!`)\1(?!`)")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a Markdown text. `opening` is the first line of a fence, "" for a span and for prose."""

    text: str
    code: bool
    opening: str = ""

    @property
    def is_open(self) -> bool:
        """Whether a fence lacks its last line, so that what follows may still belong to it."""
        last = self.text.rstrip("\n").rpartition("\n")[2]
        marks = closing(self.opening).strip("> \t")
        return bool(self.opening) and (
            self.text.rstrip("\n") == self.opening
            or set(last.strip("> \t")) != {marks[0]}
            or marks not in last
        )


def pieces(text: str) -> tuple[Piece, ...]:
    """Cut a text, whose lines end with a line feed alone, into prose and code; joined, they are the text.

    Fences are those of CommonMark, in lists and quotations too. What is indented counts as prose.
    """
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    found: list[Piece] = []
    end = 0
    for first, last in _fences(text):
        start, after = starts[first], min(len(text), starts[last] - 1)
        found += _spans(text[end:start])
        found.append(Piece(text[start:after], True, lines[first]))
        end = after
    found += _spans(text[end:])
    return tuple(piece for piece in found if piece.text)


def closing(opening: str) -> str:
    """The line that closes a fence which `opening` opened."""
    fence = _OPENING.match(opening)
    return re.sub(r"[^\s>]", " ", fence["indent"]) + fence["marks"] if fence else "```"


def _fences(text: str) -> Iterator[tuple[int, int]]:
    """The first line of each fence, and the line after its last."""
    if "```" in text or "~~~" in text:
        for token in _parser().parse(text):
            if token.type == "fence" and token.map:
                yield token.map[0], token.map[1]


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    # Blocks alone; raw HTML and definitions of links are prose here, for they are not passed on as such.
    parser = MarkdownIt("commonmark").disable(["html_block", "reference"])
    parser.core.ruler.enableOnly(["block"])
    return parser


def _spans(prose: str) -> Iterator[Piece]:
    start = 0
    for span in _SPAN.finditer(prose):
        yield Piece(prose[start : span.start()], False)
        yield Piece(span[0], True)
        start = span.end()
    yield Piece(prose[start:], False)
