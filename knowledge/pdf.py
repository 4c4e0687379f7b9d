"""PDF to Markdown: headings from type sizes, paragraphs from hard-wrapped lines, tables as rows.

The reading order is that of pdfminer.six's layout analysis, which keeps columns apart; ruled tables are those
that pdfplumber finds. https://pdfminersix.readthedocs.io/en/latest/topic/converting_pdf_to_text.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import pairwise
from typing import Any

_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_UNMAPPED = re.compile(r"\(cid:\d+\)")
_BULLET = re.compile(r"^(?:[•‣▪●○◦■□➢\uf0a7\uf0b7\uf0d8]|\(cid:\d+\)|[-–—*](?=\s|$))\s*")
_NUMBER = re.compile(r"^(\d{1,3}|[a-z])[.)](?=\s|$)\s*")
_MARKER_ALONE = re.compile(r"^(?:[•‣▪●○◦■□➢\uf0a7\uf0b7\uf0d8*–-]|\(cid:\d+\)|(?:\d{1,3}|[a-z])[.)]?)$")
_PAGE_NUMBER = re.compile(r"^\W*(?:page\s*)?\d{1,4}(?:\s*(?:of|/)\s*\d{1,4})?\W*$", re.IGNORECASE)
_MARGIN = 0.09
_MOST_DRAWINGS = 2_000


@dataclass(frozen=True, slots=True)
class _Cell:
    """A stretch of a line without a gap wider than a letter."""

    text: str
    x0: float
    x1: float

    def is_aligned_with(self, other: _Cell) -> bool:
        left, right = abs(self.x0 - other.x0), abs(self.x1 - other.x1)
        return min(left, right, abs(self.x0 + self.x1 - other.x0 - other.x1)) < 5


@dataclass(frozen=True, slots=True)
class _Line:
    """One printed line; coordinates in points, `top` and `bottom` counted from the page's upper edge."""

    text: str
    cells: tuple[_Cell, ...]
    size: float
    bold: bool
    box: int
    x0: float
    x1: float
    top: float
    bottom: float

    def is_beside(self, other: _Line) -> bool:
        overlap = min(self.bottom, other.bottom) - max(self.top, other.top)
        return overlap > 0.5 * min(self.bottom - self.top, other.bottom - other.top)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table in place of the lines that were in it."""

    rows: tuple[tuple[str, ...], ...]
    top: float


_Page = list["_Line | _Table"]


def pdf_to_markdown(content: bytes) -> tuple[str | None, str]:
    """Convert a PDF to `(title in its properties, Markdown)`; the Markdown is empty without a text layer.

    Lines that repeat in the margins of the pages (running heads, page numbers) are left out. Raises
    whatever pdfminer raises on a broken or protected file.
    """
    import pdfplumber

    with pdfplumber.open(BytesIO(content), laparams={}) as pdf:
        title = pdf.metadata.get("Title")
        heights = []
        pages: list[_Page] = []
        for page in pdf.pages:
            pages.append(_page(page))
            heights.append(float(page.height))
            page.close()
    pages = _without_running_lines(pages, heights)
    return (title if isinstance(title, str) else None), "\n\n".join(_blocks(pages))


def _page(page: Any) -> _Page:
    lines = _with_markers(list(_lines(page)))
    drawings = len(page.lines) + len(page.rects) + len(page.curves)
    found = page.find_tables() if 0 < drawings <= _MOST_DRAWINGS else []
    items: _Page = list(lines)
    for table in found:
        rows = tuple(tuple(_cell(cell) for cell in row) for row in table.extract())
        if len(rows) < 2 or len(rows[0]) < 2 or sum(bool(cell) for row in rows for cell in row) < 4:
            continue
        items = _replace(items, table.bbox, rows)
    return _with_aligned_rows(items)


def _lines(page: Any) -> Iterator[_Line]:
    from pdfminer.layout import LTChar, LTTextBoxHorizontal, LTTextLineHorizontal

    for number, box in enumerate(page.layout):
        # A glyph without a width, as bullets can be, is a line outside every box.
        single = [box] if isinstance(box, LTTextLineHorizontal) else []
        for line in box if isinstance(box, LTTextBoxHorizontal) else single:
            letters = [item for item in line if isinstance(item, LTChar) and item.size > 2]
            text = _plain(line.get_text())
            if not letters or not text:
                continue
            size = Counter(round(letter.size * 2) / 2 for letter in letters).most_common(1)[0][0]
            bold = sum("bold" in letter.fontname.lower() for letter in letters) > 0.8 * len(letters)
            top, bottom = page.height - line.y1, page.height - line.y0
            yield _Line(text, tuple(_cells(letters, size)), size, bold, number, line.x0, line.x1, top, bottom)


def _cells(letters: list[Any], size: float) -> Iterator[_Cell]:
    letters = sorted(
        (letter for letter in letters if not letter.get_text().isspace()), key=lambda letter: letter.x0
    )
    start = 0
    for index in range(1, len(letters) + 1):
        if index == len(letters) or letters[index].x0 - letters[index - 1].x1 > 0.9 * size:
            stretch = letters[start:index]
            text = stretch[0].get_text()
            for before, letter in pairwise(stretch):
                text += (" " if letter.x0 - before.x1 > 0.15 * size else "") + letter.get_text()
            yield _Cell(_plain(text), stretch[0].x0, stretch[-1].x1)
            start = index


def _with_markers(lines: list[_Line]) -> list[_Line]:
    """Join bullets and numbers that stand in a box of their own with the line to their right."""
    markers = [line for line in lines if _MARKER_ALONE.match(line.text)]
    for marker in markers:
        right = [
            line
            for line in lines
            if line is not marker and line.x0 >= marker.x1 - 1 and line.is_beside(marker)
        ]
        nearest = min(right, key=lambda line: line.x0, default=None)
        if nearest is None or nearest.x0 - marker.x1 > 40 or _MARKER_ALONE.match(nearest.text):
            continue
        text = f"{marker.text}{'.' if marker.text.isdigit() else ''} {nearest.text}"
        lines = [
            replace(line, text=text, x0=marker.x0) if line is nearest else line
            for line in lines
            if line is not marker
        ]
    return lines


def _plain(text: str) -> str:
    return " ".join(text.translate(_LIGATURES).split())


def _cell(text: str | None) -> str:
    return _plain(_UNMAPPED.sub("", text or "").replace("|", r"\|"))


def _replace(
    items: _Page, bbox: tuple[float, float, float, float], rows: tuple[tuple[str, ...], ...]
) -> _Page:
    """Put a table where the first line within its bounding box stands, and take those lines out."""
    x0, top, x1, bottom = bbox

    def is_inside(item: _Line | _Table) -> bool:
        if isinstance(item, _Table):
            return False
        return x0 - 2 <= item.x0 and item.x1 <= x1 + 2 and top <= (item.top + item.bottom) / 2 <= bottom

    inside = [is_inside(item) for item in items]
    if True not in inside:
        return items
    first = inside.index(True)
    kept = [item for item, gone in zip(items[first:], inside[first:], strict=True) if not gone]
    return [*items[:first], _Table(rows, top), *kept]


def _with_aligned_rows(items: _Page) -> _Page:
    """Make a table of three rows or more that stand side by side in the same columns without ruling."""
    lines = sorted((item for item in items if isinstance(item, _Line)), key=lambda line: (line.top, line.x0))
    rows: list[list[_Line]] = []
    for line in lines:
        if rows and rows[-1][0].is_beside(line):
            rows[-1].append(line)
        else:
            rows.append([line])
    for group in _groups(rows):
        texts = tuple(tuple(_cell(cell.text) for cell in _row_cells(row)) for row in group)
        letters = sum(len(text) for row in texts for text in row)
        if len(group) < 3 or letters > 30 * len(texts) * len(texts[0]):
            continue
        if all(_MARKER_ALONE.match(row[0]) for row in texts):
            continue
        members = [line for row in group for line in row]
        bbox = (
            min(line.x0 for line in members),
            min(line.top for line in members),
            max(line.x1 for line in members),
            max(line.bottom for line in members),
        )
        items = _replace(items, bbox, texts)
    return items


def _groups(rows: list[list[_Line]]) -> Iterator[list[list[_Line]]]:
    """Yield runs of neighbouring rows with two cells or more in the same columns."""
    group: list[list[_Line]] = []
    for row in rows:
        if group and not _continues(group[-1], row):
            yield group
            group = []
        if len(_row_cells(row)) >= 2:
            group.append(row)
    if group:
        yield group


def _continues(above: list[_Line], below: list[_Line]) -> bool:
    upper, lower = _row_cells(above), _row_cells(below)
    near = below[0].top - above[0].bottom < 2.5 * (above[0].bottom - above[0].top)
    return near and len(upper) == len(lower) and all(map(_Cell.is_aligned_with, upper, lower))


def _row_cells(row: list[_Line]) -> list[_Cell]:
    return sorted((cell for line in row for cell in line.cells), key=lambda cell: cell.x0)


def _without_running_lines(pages: list[_Page], heights: list[float]) -> list[_Page]:
    """Leave out page numbers, and lines in the margins of three pages (or of both) but for their digits."""

    def in_margin(item: _Line | _Table, height: float) -> bool:
        return isinstance(item, _Line) and (
            item.bottom < _MARGIN * height or item.top > (1 - _MARGIN) * height
        )

    def key(item: _Line | _Table) -> str:
        return re.sub(r"\d+", "0", item.text) if isinstance(item, _Line) else ""

    seen = Counter(
        text
        for page, height in zip(pages, heights, strict=True)
        for text in {key(item) for item in page if in_margin(item, height)}
    )
    often = 2 if len(pages) < 4 else 3
    kept: list[_Page] = []
    for page, height in zip(pages, heights, strict=True):
        kept.append(
            [
                item
                for item in page
                if not (
                    isinstance(item, _Line)
                    and in_margin(item, height)
                    and (seen[key(item)] >= often or _PAGE_NUMBER.match(item.text))
                )
            ]
        )
    return kept


def _blocks(pages: Iterable[_Page]) -> list[str]:
    """Give headings, paragraphs, list items and tables as Markdown, joined over page ends."""
    items = [item for page in pages for item in page]
    letters: Counter[float] = Counter()
    for item in items:
        if isinstance(item, _Line):
            letters[item.size] += len(item.text)
    body = letters.most_common(1)[0][0] if letters else 0.0
    larger = sorted({size for size in letters if size > 1.1 * body}, reverse=True)
    blocks: list[tuple[int, str]] = []
    held: list[_Line] = []
    held_level = 0

    def flush() -> None:
        if held:
            blocks.append((held_level, _text(held) if not held_level else _heading(held)))
            held.clear()

    for index, item in enumerate(items):
        if isinstance(item, _Table):
            flush()
            blocks.append((0, _table(item)))
            continue
        level = _level(items, index, body, larger)
        goes_on = (
            held and level == held_level and (_belongs(held, item) if not level else item.box == held[-1].box)
        )
        if not goes_on:
            flush()
        held.append(item)
        held_level = level
    flush()
    # Several headings in the largest type are chapters, not the title.
    deeper = sum(level == 1 for level, _ in blocks) > 1
    return [f"{'#' * min(level + deeper, 6)} {text}" if level else text for level, text in blocks]


def _heading(lines: list[_Line]) -> str:
    return _UNMAPPED.sub("", " ".join(line.text for line in lines)).strip()


def _level(items: _Page, index: int, body: float, larger: list[float]) -> int:
    """Tell a line's heading level, by its size's rank above the body's or for bold alone; 0 is none."""
    line = items[index]
    if isinstance(line, _Table) or len(line.text) > 150 or not re.search(r"[^\W\d_]", line.text):
        return 0
    if line.size in larger:
        return min(larger.index(line.size) + 1, 6)
    alone = all(
        isinstance(other, _Table) or other.box != line.box or other.bold != line.bold
        for other in (*items[max(index - 1, 0) : index], *items[index + 1 : index + 2])
    )
    is_label = line.bold and line.size >= body and len(line.text) <= 80 and line.text[-1] not in ".,;:"
    return min(len(larger) + 1, 6) if is_label and alone else 0


def _belongs(paragraph: list[_Line], line: _Line) -> bool:
    """Tell whether a line goes on with the paragraph: no list marker, no gap, or a sentence left open."""
    last = paragraph[-1]
    number, previous = (re.match(r"\d{1,3}(?=\s)", text) for text in (line.text, paragraph[0].text))
    is_next = number and previous and int(number[0]) == int(previous[0]) + 1
    if _BULLET.match(line.text) or _NUMBER.match(line.text) or is_next:
        return False
    if line.top > last.top and abs(line.size - last.size) < 1 and line.x0 < last.x1:
        return line.top - last.bottom < 0.8 * last.size
    return last.text[-1] not in ".!?:;" and line.text[0].islower()


def _text(lines: list[_Line]) -> str:
    text = lines[0].text
    for before, line in pairwise(lines):
        broken = re.search(r"[^\W\d_]-$", before.text) and line.text[0].islower()
        text = text[:-1] + line.text if broken else f"{text} {line.text}"
    text = _BULLET.sub("- ", text, count=1)
    text = _NUMBER.sub(lambda match: f"{match[0].strip()} ", text, count=1)
    return re.sub(r"^(?=#{1,6}\s)", r"\\", _UNMAPPED.sub("", text).strip())


def _table(table: _Table) -> str:
    width = max(len(row) for row in table.rows)
    rows = ["| " + " | ".join((*row, *[""] * (width - len(row)))) + " |" for row in table.rows if any(row)]
    return "\n".join((rows[0], "| " + " | ".join(["---"] * width) + " |", *rows[1:]))
