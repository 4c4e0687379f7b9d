"""The outline of a Markdown text: its sections under their headings, and the blocks in each.

A scan by lines rather than a parser: linear in time and memory on hostile input of millions of characters,
where CommonMark parsers build millions of tokens. It follows https://spec.commonmark.org/0.31.2/ and the
tables of https://github.github.com/gfm/ for what passages depend on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

_LONGEST_HEADING = 250
_GLUED_BELOW = 40

_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*?)(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r" {0,3}(={2,}|-{2,})[ \t]*$")
FENCE = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}|~{3,})(.*)")
_ITEM = re.compile(r"([ \t]*)(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_TABLE_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_NOT_A_TITLE = re.compile(r"[ \t]{4}|[ \t]*(?:>|<|#|\||[-*+][ \t]|\d{1,9}[.)][ \t])")
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|<[^>]*>|\{#[^}]*\}[ \t]*$|[*`]|(?<!\w)_+|_+(?!\w)")


class Kind(Enum):
    """What a block is, so far as it matters to where it may be divided."""

    TEXT = "text"
    ITEM = "list item"
    NESTED_ITEM = "list item within a list item"
    TABLE = "table"
    CODE = "code"


@dataclass(slots=True)
class Block:
    """A block of a section; `start` and `end` are character offsets in the Markdown, line ends included."""

    kind: Kind
    start: int
    end: int


@dataclass(slots=True)
class Section:
    """What stands between two headings; `headings` are those above it, `(level, plain text)` top down."""

    headings: tuple[tuple[int, str], ...] = ()
    blocks: list[Block] = field(default_factory=list)


def sections(markdown: str) -> Iterator[Section]:
    """Yield the sections in order, also those without a block.

    ATX headings and setext headings of one line count, outside of code fences and up to 250 characters;
    what is longer is text. Text blocks and list items under 40 characters are one block with what follows
    them.
    """
    section = Section()
    block: Block | None = None
    fence = ""
    for start, end in _lines(markdown):
        line = markdown[start:end].rstrip("\n")
        if fence:
            section.blocks[-1].end = end
            closes = line.strip().startswith(fence) and not line.strip().strip(fence[0])
            fence = "" if closes else fence
        elif not line.strip():
            block = None
        elif heading := _heading(markdown, line, block):
            if block is not None and _SETEXT.match(line):
                section.blocks.pop()
            yield section
            section, block = Section(_path(section.headings, heading)), None
        elif (opened := FENCE.match(line)) and not (opened[1][0] == "`" and "`" in opened[2]):
            fence, block = opened[1], None
            section.blocks.append(Block(Kind.CODE, start, end))
        else:
            block = _grown(section.blocks, block, markdown, start, end)
    yield section


def _lines(markdown: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(markdown):
        found = markdown.find("\n", start)
        end = len(markdown) if found < 0 else found + 1
        yield start, end
        start = end


def _heading(markdown: str, line: str, above: Block | None) -> tuple[int, str] | None:
    """Read a line as a heading, or as the underline of the one-line paragraph above it."""
    if len(line) > _LONGEST_HEADING:
        return None
    if found := _ATX.match(line):
        return len(found[1]), plain(found[2])
    found = _SETEXT.match(line)
    if (
        not found
        or above is None
        or above.kind is not Kind.TEXT
        or above.end - above.start > _LONGEST_HEADING
    ):
        return None
    text = markdown[above.start : above.end].rstrip("\n")
    if "\n" in text or _NOT_A_TITLE.match(text):
        return None
    return (1 if found[1][0] == "=" else 2), plain(text)


def _path(above: tuple[tuple[int, str], ...], heading: tuple[int, str]) -> tuple[tuple[int, str], ...]:
    return (*(upper for upper in above if upper[0] < heading[0]), heading)


def _grown(blocks: list[Block], block: Block | None, markdown: str, start: int, end: int) -> Block:
    """Add a line to the open block, or begin a new one with it."""
    line = markdown[start:end]
    item = _ITEM.match(line)
    if block is not None and not item:
        if block.kind is Kind.TEXT and "|" in line and _TABLE_RULE.match(line):
            block = _table(blocks, block, markdown)
        block.end = end
        return block
    _glue(blocks)
    kind = Kind.TEXT if not item else Kind.NESTED_ITEM if item[1] else Kind.ITEM
    blocks.append(Block(kind, start, end))
    return blocks[-1]


def _glue(blocks: list[Block]) -> None:
    """Join the last two blocks if the first is but a few words, such as a label or the lead-in of a list."""
    if len(blocks) < 2 or {blocks[-2].kind, blocks[-1].kind} & {Kind.TABLE, Kind.CODE}:
        return
    if blocks[-2].end - blocks[-2].start < _GLUED_BELOW:
        blocks[-2].end = blocks[-1].end
        blocks.pop()


def _table(blocks: list[Block], block: Block, markdown: str) -> Block:
    """Make a table of the text block whose last line is a table's header; what is above that stays text."""
    header = markdown.rfind("\n", block.start, block.end - 1) + 1
    if "|" not in markdown[max(header, block.start) : block.end]:
        return block
    if header <= block.start:
        block.kind = Kind.TABLE
        return block
    block.end = header
    blocks.append(Block(Kind.TABLE, header, header))
    return blocks[-1]


def plain(heading: str) -> str:
    """Strip inline Markdown, HTML tags and permalink signs from a heading's text."""
    return " ".join(_MARKUP.sub(lambda found: found[1] or "", heading).replace("¶", "").split())
