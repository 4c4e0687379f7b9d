"""Excel workbooks (.xlsx)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from io import BytesIO
from typing import Any

from knowledge.converters.archives import OfficeKind, core_title, office_archive
from knowledge.converters.markup import heading, table
from knowledge.documents import RawDocument, UnreadableError

_KIND = OfficeKind("Excel workbook", "xl/workbook.xml", "Excel", ".xls", ".xlsx")
_MOST_ROWS = 100_000
_MOST_COLUMNS = 500


def xlsx_to_markdown(raw: RawDocument) -> tuple[str | None, str]:
    """Write a section with a table for each visible sheet; formulas by the values Excel saved with them.

    Rows of one cell above the table are text. Rows and columns without text are left out. Raises
    `UnreadableError` for a sheet of more than 100,000 rows or 500 columns with text and as `office_archive`
    does, and whatever openpyxl raises on a broken file.
    """
    with office_archive(raw, _KIND) as archive:
        title = core_title(archive)

    from openpyxl import load_workbook

    workbook = load_workbook(BytesIO(raw.content), read_only=True, data_only=True, keep_links=False)
    try:
        sheets = [sheet for sheet in workbook.worksheets if sheet.sheet_state == "visible"]
        parts = [part for sheet in sheets for part in _sheet(raw.name, sheet)]
    finally:
        workbook.close()
    return title, "\n\n".join(parts)


def _sheet(file: str, sheet: Any) -> Iterator[str]:
    sheet.reset_dimensions()  # What a file says of its size would be believed, and may be a million rows.
    rows: list[list[str]] = []
    for cells in sheet.iter_rows():
        row = [_text(cell) for cell in cells]
        while row and not row[-1]:
            row.pop()
        if row:
            rows.append(row)
        if len(rows) > _MOST_ROWS or len(row) > _MOST_COLUMNS:
            raise UnreadableError(
                f"{file} has more than {_MOST_ROWS:,} rows or {_MOST_COLUMNS} columns in the sheet "
                f"'{sheet.title}'; split it, or leave it to a database."
            )
    if rows:
        yield heading(2, sheet.title)
    while len(rows) > 1 and sum(map(bool, rows[0])) == 1 < max(map(len, rows)):
        yield "".join(rows.pop(0))
    if rows:
        yield table(rows)


def _text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, datetime) and value.time() == time():
        value = value.date()
    if isinstance(value, date | time):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, float | int) and not isinstance(value, bool):
        is_share = "%" in (cell.number_format or "")
        return (
            f"{value * 100:.10g}%"
            if is_share
            else f"{value:.15g}"
            if isinstance(value, float)
            else str(value)
        )
    return " ".join(str(value).split())
