"""Tables as text: .csv and .tsv."""

from __future__ import annotations

import csv
from io import StringIO

from knowledge.converters.markup import table
from knowledge.converters.text import decoded
from knowledge.documents import RawDocument, UnreadableError

_MOST_ROWS = 100_000
_MOST_COLUMNS = 500
_SAMPLE_CHARACTERS = 8_000


def delimited_to_markdown(raw: RawDocument) -> tuple[str | None, str]:
    """Write a table whose header is the first row; comma, semicolon, tab or bar as the text has it.

    Raises `UnreadableError` when there are more than 100,000 rows or 500 columns, or a cell of more than
    131,072 characters, which is a quotation mark that is not closed.
    """
    text = decoded(raw)
    delimiter = "\t" if raw.name.lower().endswith(".tsv") else _delimiter(text)
    rows: list[list[str]] = []
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            rows.append(row)
            if len(rows) > _MOST_ROWS or len(row) > _MOST_COLUMNS:
                raise UnreadableError(
                    f"{raw.name} has more than {_MOST_ROWS:,} rows or {_MOST_COLUMNS} columns; "
                    "split it, or leave it to a database."
                )
    except csv.Error as error:
        raise UnreadableError(f"{raw.name} is not a table in line {reader.line_num}: {error}.") from error
    return None, table(rows)


def _delimiter(text: str) -> str:
    sample = text[:_SAMPLE_CHARACTERS]
    if len(sample) < len(text) and "\n" in sample:
        sample = sample[: sample.rindex("\n")]
    try:
        return csv.Sniffer().sniff(sample, ",;\t|").delimiter
    except csv.Error:
        return ","
