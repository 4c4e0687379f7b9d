"""Pieces of Markdown that several converters write: tables, fences, headings of one line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# A wider header would not be repeated over the parts of a divided table, so rows then name their columns.
_WIDEST_HEADER = 240
_LONGEST_HEADING = 200
_DATA_IMAGE = re.compile(
    r"!\[([^\]\n]*)\]\((?:data|attachment):[^)\n]*\)|<img\b[^>]*?\bsrc\s*=\s*[\"']?data:[^>]*>", re.IGNORECASE
)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Write rows of text, the first of which is the header, as a pipe table (https://github.github.com/gfm/#tables-extension-).

    Columns and rows without any text are left out. A table whose header is wider than 240 characters is
    written as a list, one item a row, which names the column of each cell. Empty for no text at all.
    """
    used = [index for index in range(max(map(len, rows), default=0)) if any(_at(row, index) for row in rows)]
    trimmed = [[_at(row, index) for index in used] for row in rows]
    trimmed = [row for row in trimmed if any(row)]
    if not trimmed:
        return ""
    header, *body = trimmed
    if sum(map(len, header)) + 3 * len(header) > _WIDEST_HEADER and body:
        return "\n".join(_items(header, body))
    lines = (header, ["---"] * len(header), *body)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def fence(code: str, language: str = "") -> str:
    """Put code between fences that do not occur in it."""
    longest = max((len(run) for run in re.findall(r"^[ \t]*(`{3,})", code, re.MULTILINE)), default=2)
    marks = "`" * (longest + 1)
    return f"{marks}{language}\n{code.strip(chr(10))}\n{marks}"


def heading(level: int, text: str) -> str:
    """Write a heading of level 1 to 6 in one line of at most 200 characters."""
    line = " ".join(text.split())
    return f"{'#' * min(level, 6)} {line[:_LONGEST_HEADING]}"


def without_data_images(markdown: str) -> str:
    """Leave only the descriptions of images that are in the text itself, which would be masses of base64."""
    return _DATA_IMAGE.sub(lambda image: image[1] or "", markdown)


def _at(row: Sequence[str], index: int) -> str:
    # A comment's beginning would hide what comes after it.
    text = " ".join(row[index].split()) if index < len(row) else ""
    return text.replace("|", r"\|").replace("<!--", "&lt;!--")


def _items(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        cells = zip(header, row, strict=True)
        yield "- " + "; ".join(f"{name}: {cell}" if name else cell for name, cell in cells if cell)
