"""The lexical index in SQLite: FTS5 (https://www.sqlite.org/fts5.html), as `knowledge.full_text` asks.

Triggers keep it in step inside the same transaction, cascaded deletions included.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
from sqlalchemy import Connection, text

from knowledge.arrays import Ids, numbers

TABLES = (
    "CREATE VIRTUAL TABLE passages_fts USING fts5("
    "title, heading, text, tokenize='porter unicode61 remove_diacritics 2')",
    "CREATE VIRTUAL TABLE passages_terms USING fts5vocab('passages_fts', 'row')",
    "CREATE TRIGGER passages_added AFTER INSERT ON passages BEGIN "
    "INSERT INTO passages_fts (rowid, title, heading, text) "
    "SELECT new.id, title, new.heading, new.text FROM documents WHERE id = new.document_id; END",
    "CREATE TRIGGER passages_removed AFTER DELETE ON passages BEGIN "
    "DELETE FROM passages_fts WHERE rowid = old.id; END",
)

# A view of the index, which a connection may have to itself.
OCCURRENCES = (
    "CREATE VIRTUAL TABLE temp.passages_occurrences USING fts5vocab('main', 'passages_fts', 'instance')"
)

_COLUMNS = 3


def index_new(connection: Connection, changed: Sequence[int]) -> None:
    """The triggers have done it already."""


def token_counts(connection: Connection) -> Ids:
    """How many tokens of each live passage the lexical index holds, by passage id."""
    query = "SELECT group_concat(id), group_concat(hex(sz), '') FROM passages_fts_docsize"
    return _token_counts(*connection.execute(text(query)).one())


def token_counts_of(connection: Connection, ids: Ids) -> Ids:
    """What `token_counts` gives, of these live passages alone."""
    query = (
        "SELECT group_concat(id), group_concat(hex(sz), '') FROM passages_fts_docsize "
        "WHERE id IN (SELECT value FROM json_each(:ids))"
    )
    return _token_counts(*connection.execute(text(query), {"ids": json.dumps(ids.tolist())}).one())


def occurrences(connection: Connection, stems: Sequence[str]) -> dict[str, Ids]:
    """For each stem the id of the passage of every one of its occurrences."""
    query = text(
        "SELECT asked.value, group_concat(doc) AS ids FROM json_each(:stems) AS asked "
        "CROSS JOIN passages_occurrences ON term = asked.value GROUP BY asked.value"
    )
    rows = connection.execute(query, {"stems": json.dumps(list(stems))})
    found = {row.value: row.ids for row in rows}
    return {stem: numbers(found.get(stem)) for stem in stems}


def occurring(connection: Connection, stems: Sequence[str]) -> set[str]:
    """Those of these stems that a passage holds, however many do."""
    query = text(
        "SELECT value FROM json_each(:stems) "
        "WHERE EXISTS (SELECT 1 FROM passages_occurrences WHERE term = value)"
    )
    return set(connection.execute(query, {"stems": json.dumps(list(stems))}).scalars())


def occurrences_in(connection: Connection, ids: Ids) -> dict[str, Ids]:
    """What `occurrences` gives for every stem of these passages, looking at no other passage.

    They are indexed once more in memory, by the statement that made the index: it knows no way from a passage
    to its words.
    """
    made_by = text("SELECT sql FROM sqlite_master WHERE name = 'passages_fts'")
    query = text(
        "SELECT rowid, title, heading, text FROM passages_fts "
        "WHERE rowid IN (SELECT value FROM json_each(:ids))"
    )
    rows = connection.execute(query, {"ids": json.dumps(ids.tolist())}).all()
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.execute(connection.execute(made_by).scalar_one())
        memory.execute("CREATE VIRTUAL TABLE occurrences USING fts5vocab('passages_fts', 'instance')")
        insert = "INSERT INTO passages_fts (rowid, title, heading, text) VALUES (?, ?, ?, ?)"
        memory.executemany(insert, [tuple(row) for row in rows])
        found = memory.execute("SELECT term, group_concat(doc) FROM occurrences GROUP BY term")
        return {term: numbers(listed) for term, listed in found}


def vocabulary(connection: Connection) -> Iterator[tuple[str, int]]:
    """Every stem of the lexical index, with the number of passages that it occurs in."""
    rows = connection.execute(text("SELECT term, doc FROM passages_terms"))
    return ((row.term, row.doc) for row in rows)


def document_frequencies(connection: Connection, stems: Sequence[str]) -> dict[str, int]:
    """In how many passages each stem occurs; stems that occur nowhere are left out."""
    query = text(
        "SELECT term, doc FROM json_each(:stems) AS asked CROSS JOIN passages_terms ON term = asked.value"
    )
    rows = connection.execute(query, {"stems": json.dumps(sorted(set(stems)))})
    return {row.term: int(row.doc) for row in rows}


def _token_counts(ids: str | None, sizes: str | None) -> Ids:
    # Whatever order the two lists are in, they are in the same.
    return _sums_of_varints(bytes.fromhex(sizes or ""))[np.argsort(numbers(ids))]


def _sums_of_varints(sizes: bytes) -> Ids:
    """The sum of each row of FTS5's docsize table, which has one SQLite varint a column.

    https://www.sqlite.org/fileformat2.html#varint
    """
    encoded = np.frombuffer(sizes, dtype=np.uint8)
    ends = np.flatnonzero(encoded < 0x80)
    if not len(ends):
        return numbers(None)
    places = np.arange(len(encoded))
    shifts = 7 * (ends[np.searchsorted(ends, places)] - places)
    starts = np.concatenate(([0], ends[:-1] + 1))[::_COLUMNS]
    return np.add.reduceat((encoded & 0x7F).astype(np.int64) << shifts, starts)
