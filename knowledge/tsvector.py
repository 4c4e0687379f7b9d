"""The lexical index in Postgres: text search vectors under a GIN index, as `knowledge.full_text` asks.

https://www.postgresql.org/docs/current/datatype-textsearch.html. The vectors are made of the stems of
`knowledge.terms`, not by one of Postgres' own configurations: a question's stems must be found as they are.
A vector holds at most 255 occurrences of a word, and no word of more than 2,046 bytes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Row,
    Table,
    bindparam,
    cast,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from knowledge.arrays import Ids, as_text, numbers
from knowledge.dialects import numbers_in
from knowledge.schema import documents, passages
from knowledge.terms import stems as stems_of

_LONGEST_BYTES = 2046
_LAST_POSITION = 16_383
_MOST_POSITIONS = 255

metadata = MetaData()

words = Table(
    "passage_words",
    metadata,
    Column(
        "passage_id", ForeignKey(passages.c.id, ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("tokens", Integer, nullable=False),
    Column("words", TSVECTOR, nullable=False),
    # Without a list of what is still to be sorted in, which each question would have to look through.
    Index("words_of_passages", "words", postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
)


def index_new(connection: Connection, changed: Sequence[int]) -> None:
    """See `FullText.index_new`."""
    values = {"values": json.dumps(list(changed))}
    rows = [_indexed(*row) for row in connection.execute(_NOT_INDEXED, values)]
    if rows:
        connection.execute(_INSERT, rows)


def token_counts(connection: Connection) -> Ids:
    """See `FullText.token_counts`."""
    return _token_counts(connection.execute(select(*_COUNTED)).one())


def token_counts_of(connection: Connection, ids: Ids) -> Ids:
    """See `FullText.token_counts_of`."""
    query = select(*_COUNTED).where(words.c.passage_id.in_(numbers_in("ids")))
    return _token_counts(connection.execute(query, {"ids": json.dumps(ids.tolist())}).one())


def occurrences(connection: Connection, stems: Sequence[str]) -> dict[str, Ids]:
    """See `FullText.occurrences`."""
    found = {}
    for stem in stems:
        # Each by itself: the planner then knows from its statistics how frequent the word is.
        ids, counts = tuple(connection.execute(_OCCURRENCES, {"query": _lexeme(stem)}).one())
        found[stem] = np.repeat(numbers(ids), numbers(counts))
    return found


def occurrences_in(connection: Connection, ids: Ids) -> dict[str, Ids]:
    """See `FullText.occurrences_in`."""
    found: dict[str, list[int]] = defaultdict(list)
    for passage_id, *parts in connection.execute(_TEXTS, {"values": json.dumps(ids.tolist())}):
        for stem, positions in _positions(_stems(*parts)).items():
            found[stem] += [passage_id] * len(positions)
    return {stem: np.array(members, dtype=np.int64) for stem, members in found.items()}


def occurring(connection: Connection, stems: Sequence[str]) -> set[str]:
    """See `FullText.occurring`."""
    query = text(
        "SELECT stem FROM json_array_elements_text(CAST(:stems AS json)) AS stem "
        "WHERE EXISTS (SELECT 1 FROM passage_words WHERE words @@ CAST(quote_literal(stem) AS tsquery))"
    )
    return set(connection.execute(query, {"stems": json.dumps(_possible(stems))}).scalars())


def vocabulary(connection: Connection) -> Iterator[tuple[str, int]]:
    """See `FullText.vocabulary`."""
    rows = connection.execute(text("SELECT word, ndoc FROM ts_stat('SELECT words FROM passage_words')"))
    return ((row.word, row.ndoc) for row in rows)


def document_frequencies(connection: Connection, stems: Sequence[str]) -> dict[str, int]:
    """See `FullText.document_frequencies`."""
    query = text(
        "SELECT stem, (SELECT count(*) FROM passage_words "
        "WHERE words @@ CAST(quote_literal(stem) AS tsquery)) AS passages "
        "FROM json_array_elements_text(CAST(:stems AS json)) AS stem"
    )
    rows = connection.execute(query, {"stems": json.dumps(sorted(set(_possible(stems))))})
    return {row.stem: row.passages for row in rows if row.passages}


# The cover density of one word in which all weigh the same is the number of its occurrences
# (https://www.postgresql.org/docs/current/textsearch-controls.html#TEXTSEARCH-RANKING).
_OCCURRENCES = text(
    "SELECT string_agg(CAST(passage_id AS text), ','), "
    "string_agg(CAST(ts_rank_cd('{1,1,1,1}', words, CAST(:query AS tsquery)) AS text), ',') "
    "FROM passage_words WHERE words @@ CAST(:query AS tsquery)"
)

_COUNTED = (as_text(words.c.passage_id), as_text(words.c.tokens))
_PARTS: tuple[ColumnElement[str], ...] = (documents.c.title, passages.c.heading, passages.c.text)
_TEXTS = (
    select(passages.c.id, *_PARTS)
    .join_from(passages, documents)
    .where(passages.c.id.in_(numbers_in("values")))
)
_NOT_INDEXED = (
    select(passages.c.id, *_PARTS)
    .join_from(passages, documents)
    .outerjoin(words, words.c.passage_id == passages.c.id)
    .where(documents.c.id.in_(numbers_in("values")), words.c.passage_id.is_(None))
    .order_by(passages.c.id)
)
_INSERT = insert(words).values(words=cast(bindparam("vector"), TSVECTOR))


def _indexed(passage_id: int, title: str, heading: str, passage: str) -> dict[str, object]:
    found = _stems(title, heading, passage)
    vector = " ".join(f"{_lexeme(stem)}:{','.join(map(str, at))}" for stem, at in _positions(found).items())
    return {"passage_id": passage_id, "tokens": len(found), "vector": vector}


def _stems(*parts: str) -> list[str]:
    return [stem for part in parts for stem in stems_of(part)]


def _positions(stems: Sequence[str]) -> dict[str, list[int]]:
    """Where each stem stands, counted from 1, as far as a vector can hold it."""
    found: dict[str, list[int]] = defaultdict(list)
    for position, stem in enumerate(stems[:_LAST_POSITION], 1):
        if len(stem.encode()) <= _LONGEST_BYTES and len(found[stem]) < _MOST_POSITIONS:
            found[stem].append(position)
    return {stem: positions for stem, positions in found.items() if positions}


def _possible(stems: Sequence[str]) -> list[str]:
    return [stem for stem in stems if stem and len(stem.encode()) <= _LONGEST_BYTES]


def _lexeme(stem: str) -> str:
    """A stem as a quoted lexeme (https://www.postgresql.org/docs/current/datatype-textsearch.html)."""
    escaped = stem.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _token_counts(row: Row[str, str]) -> Ids:
    # Whatever order the two lists are in, they are in the same.
    ids, tokens = row
    return numbers(tokens)[np.argsort(numbers(ids))]
