"""Tables, which Discord does not draw, as aligned columns or as lists, so that a telephone shows them.

GitHub Flavored Markdown, section 4.10.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.cells import cell_len

# What a telephone shows of a code block in one line.
WIDEST = 36
_GAP = "  "
_TICKS = re.compile(r"`+")


@dataclass(frozen=True, slots=True)
class _Cell:
    """What stands in a cell: as Markdown, and as it is read."""

    markdown: str
    text: str
    is_right: bool
    has_link: bool


@dataclass(slots=True)
class _Table:
    """A table at some lines of a text, its head in the first row."""

    first: int
    after: int
    rows: list[list[_Cell]] = field(default_factory=list)


def without_tables(text: str) -> str:
    """Markdown, whose lines end with a line feed alone, with each table in columns or as a list.

    Columns are as wide as a telephone at most and hold no links, for both are lost in a code block.
    """
    if "|" not in text:
        return text
    lines = text.split("\n")
    made: list[str] = []
    end = 0
    for table in _tables(text):
        made += [*lines[end : table.first], *_drawn(table.rows)]
        end = table.after
    return "\n".join([*made, *lines[end:]])


def _drawn(rows: Sequence[Sequence[_Cell]]) -> list[str]:
    widths = [max(cell_len(cell.text) for cell in column) for column in zip(*rows, strict=True)]
    is_narrow = sum(widths) + len(_GAP) * (len(widths) - 1) <= WIDEST
    if is_narrow and not any(cell.has_link for row in rows for cell in row):
        return _columns(rows, widths)
    return _list(rows)


def _columns(rows: Sequence[Sequence[_Cell]], widths: Sequence[int]) -> list[str]:
    head, *others = (
        _GAP.join(_padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    line = _GAP.join("─" * width for width in widths)
    return ["```", head, line, *others, "```"]


def _padded(cell: _Cell, width: int) -> str:
    room = " " * (width - cell_len(cell.text))
    return room + cell.text if cell.is_right else cell.text + room


def _list(rows: Sequence[Sequence[_Cell]]) -> list[str]:
    """An item for each row, under the name of its first cell."""
    head, *others = rows
    if len(head) == 2:
        titles = ": ".join(cell.markdown for cell in head if cell.markdown)
        return [f"{titles}", *(f"- {_name(name)}: {other.markdown}" for name, other in others)]
    lines: list[str] = []
    for row in others:
        lines.append(f"- {_name(row[0])}")
        named = list(zip(head, row, strict=True))[1:]
        lines += [
            f"  - {title.markdown}: {cell.markdown}" if title.markdown else f"  - {cell.markdown}"
            for title, cell in named
            if cell.markdown
        ]
    return lines


def _name(cell: _Cell) -> str:
    if cell.has_link or not cell.text:
        return cell.markdown or "…"
    return f"**{cell.text.replace('*', '')}**"


def _tables(text: str) -> Iterator[_Table]:
    """The tables that stand in no list or quotation."""
    table: _Table | None = None
    for token in _parser().parse(text):
        if token.type == "table_open" and token.level == 0 and token.map:
            table = _Table(token.map[0], token.map[1])
        elif table is None:
            continue
        elif token.type == "table_close":
            yield table
            table = None
        elif token.type == "tr_open":
            table.rows.append([])
        elif token.type in ("th_open", "td_open"):
            is_right = "right" in str(token.attrs.get("style", ""))
        elif token.type == "inline":
            table.rows[-1].append(_cell(token, is_right))


def _cell(inline: Token, is_right: bool) -> _Cell:
    children = inline.children or []
    text = " ".join("".join(child.content or " " * (child.type == "softbreak") for child in children).split())
    links = any(child.type in ("link_open", "image") for child in children) or "://" in text
    return _Cell(inline.content.strip(), _TICKS.sub("'", text), is_right, links)


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table").disable(["html_block", "reference"])
