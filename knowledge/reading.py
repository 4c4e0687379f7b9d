"""Reading the catalog: what searches, the vector index, syncs and admins ask of it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import numpy as np
from sqlalchemy import Connection, Row, Select, String, cast, func, select

from knowledge import arrays
from knowledge.arrays import Ids, Vectors
from knowledge.catalog_database import Place, open_database
from knowledge.dialects import numbers_in, texts_in
from knowledge.documents import Reader
from knowledge.records import (
    COMPLETE,
    PARTIAL,
    RUNNING,
    Counts,
    DocumentFailure,
    ForgottenDocument,
    KnownDocument,
    StoredDocument,
    StoredPassage,
    SyncRecord,
)
from knowledge.schema import (
    audiences,
    documents,
    embeddings,
    failures,
    forgotten,
    generations,
    passages,
    syncs,
)


class CatalogReader:
    """The reading half of `Catalog`. Every method is one transaction; safe in many threads and processes.

    Methods raise `KnowledgeError` when the file is damaged or locked for long, or Postgres is away.
    """

    def __init__(self, place: Place) -> None:
        """Open or create the file or the schema."""
        self.place = place
        self._database = open_database(place)
        self.full_text = self._database.full_text

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._database.writing.dispose()

    def generation(self) -> int:
        """The number of the last published change, 0 for an empty catalog."""
        with self.snapshot() as connection:
            newest = connection.execute(select(func.max(generations.c.generation))).scalar_one()
        return int(newest or 0)

    def stamp(self) -> str:
        """The generation with a random token.

        Equal stamps mean equal contents, even after a backup was put back and other changes followed.
        """
        with self.snapshot() as connection:
            return arrays.stamp(connection)

    def has_been(self, stamp: str) -> bool:
        """Whether this catalog's contents come after those of `stamp` (or are the same)."""
        generation, _, token = stamp.partition(":")
        if not token:
            return True
        match = (generations.c.generation == int(generation)) & (generations.c.token == token)
        with self.snapshot() as connection:
            return connection.execute(select(generations.c.token).where(match)).first() is not None

    def counts(self) -> Counts:
        """How many documents and passages are live."""
        query = (
            select(documents.c.source, func.count(documents.c.id.distinct()), func.count(passages.c.id))
            .select_from(documents.outerjoin(passages))
            .group_by(documents.c.source)
            .order_by(documents.c.source)
        )
        with self.snapshot() as connection:
            by_source = {source: (d, p) for source, d, p in connection.execute(query)}
        return Counts(sum(d for d, _ in by_source.values()), sum(p for _, p in by_source.values()), by_source)

    def passage_count(self, audiences: Sequence[int] | None = None) -> int:
        """How many passages are live (of these audiences, if given)."""
        query = select(func.count()).select_from(passages)
        if audiences is not None:
            query = query.join(documents).where(documents.c.audience_id.in_(numbers_in("audiences")))
        with self.snapshot() as connection:
            values = {} if audiences is None else {"audiences": json.dumps([int(a) for a in audiences])}
            return connection.execute(query, values).scalar_one()

    def audiences_of_sources(self) -> tuple[tuple[str, frozenset[str]], ...]:
        """Every audience that documents of a source have, with the source."""
        query = select(documents.c.source, audiences.c.principals).join_from(documents, audiences).distinct()
        with self.snapshot() as connection:
            return tuple((source, frozenset(held)) for source, held in connection.execute(query))

    def readable_audiences(self, reader: Reader) -> tuple[int, ...]:
        """Ids of the audiences that meet every principal set of the reader; none when it has no set."""
        if not reader.principal_sets:
            return ()
        with self.snapshot() as connection:
            rows = connection.execute(select(audiences).order_by(audiences.c.id)).all()
        return tuple(
            row.id for row in rows if all(held.intersection(row.principals) for held in reader.principal_sets)
        )

    def passages(self, ids: Sequence[int], audiences: Sequence[int]) -> dict[int, StoredPassage]:
        """The live ones of these audiences among these passages, by id."""
        values = {"values": _json(ids), "audiences": _json(audiences)}
        with self.snapshot() as connection:
            found = [StoredPassage(*row) for row in connection.execute(_READABLE_PASSAGES, values)]
        return {passage.passage_id: passage for passage in found}

    def unfiltered_passages(self, ids: Sequence[int]) -> dict[int, StoredPassage]:
        """The live ones among these passages by id, whoever may read them: only for who administers them."""
        query = _stored_passages().where(passages.c.id.in_(numbers_in("values")))
        with self.snapshot() as connection:
            rows = connection.execute(query, {"values": _json(ids)})
            return {row.id: StoredPassage(*tuple(row)) for row in rows}

    def passages_of(self, source: str, uri: str) -> tuple[StoredPassage, ...]:
        """The live passages of a document, in their order there."""
        d = documents.c
        query = _stored_passages().where(d.source == source, d.uri == uri).order_by(passages.c.ordinal)
        with self.snapshot() as connection:
            return tuple(StoredPassage(*tuple(row)) for row in connection.execute(query))

    def headings(self, audiences: Sequence[int], limit: int) -> tuple[tuple[str, str], ...]:
        """Title and heading of the passages of these audiences, those of the newest documents first."""
        d, p = documents.c, passages.c
        query = (
            select(d.title, p.heading)
            .join_from(passages, documents)
            .where(d.audience_id.in_(numbers_in("audiences")), p.heading != "")
            .order_by(func.coalesce(d.modified_at, d.indexed_at).desc(), d.id, p.ordinal)
            .limit(limit)
        )
        with self.snapshot() as connection:
            rows = connection.execute(query, {"audiences": _json(audiences)})
            return tuple(dict.fromkeys((row.title, row.heading) for row in rows))

    def document_frequencies(self, stems: Sequence[str]) -> dict[str, int]:
        """In how many passages each stem occurs; stems that occur nowhere are left out."""
        with self.snapshot() as connection:
            return self.full_text.document_frequencies(connection, stems)

    def live(self, model: str) -> tuple[Ids, Ids]:
        """Passage ids that have an embedding of `model`, ascending, and their audience ids."""
        query = (
            select(passages.c.id, documents.c.audience_id)
            .join_from(passages, documents)
            .join(embeddings, arrays.embedding_of(model))
            .order_by(passages.c.id)
        )
        with self.snapshot() as connection:
            rows = np.array([tuple(row) for row in connection.execute(query)], dtype=np.int64).reshape(-1, 2)
        return rows[:, 0], rows[:, 1]

    def vectors_of(self, model: str, ids: Sequence[int] | Ids) -> tuple[Ids, Vectors]:
        """The live ones among these passages, ascending, and their embeddings (n, dimensions)."""
        with self.snapshot() as connection:
            return arrays.vectors_of(connection, model, ids)

    def documents(self, source: str) -> tuple[StoredDocument, ...]:
        """The live documents of a source, by uri."""
        query = _stored_documents().where(documents.c.source == source).order_by(documents.c.uri)
        with self.snapshot() as connection:
            return tuple(_stored_document(row) for row in connection.execute(query))

    def document(self, source: str, uri: str) -> StoredDocument | None:
        """One live document; None when it is not indexed."""
        query = _stored_documents().where(documents.c.source == source, documents.c.uri == uri)
        with self.snapshot() as connection:
            row = connection.execute(query).first()
        return None if row is None else _stored_document(row)

    def forgotten(self, source: str) -> tuple[ForgottenDocument, ...]:
        """The documents of a source that are kept out of the index, by uri."""
        query = select(forgotten).where(forgotten.c.source == source).order_by(forgotten.c.uri)
        with self.snapshot() as connection:
            return tuple(ForgottenDocument(*row) for row in connection.execute(query))

    def sources_seen(self) -> tuple[str, ...]:
        """Names of all sources that were ever synced and not forgotten."""
        query = select(documents.c.source).union(select(syncs.c.source)).order_by("source")
        with self.snapshot() as connection:
            return tuple(connection.execute(query).scalars())

    def last_syncs(self) -> dict[str, SyncRecord]:
        """The newest run of each source."""
        newest = select(func.max(syncs.c.id)).group_by(syncs.c.source)
        s = syncs.c
        query = select(s.source, s.started_at, s.finished_at, s.outcome, s.counts).where(s.id.in_(newest))
        with self.snapshot() as connection:
            return {row.source: SyncRecord(*row) for row in connection.execute(query.order_by(s.source))}

    def last_successes(self) -> dict[str, datetime]:
        """When the newest run of each source ended that was complete, single documents perhaps excepted."""
        s = syncs.c
        done = s.outcome.in_((COMPLETE, PARTIAL)) & s.finished_at.is_not(None)
        query = select(s.source, func.max(s.finished_at)).where(done).group_by(s.source)
        with self.snapshot() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def failing(self, source: str) -> tuple[SyncRecord, ...]:
        """The runs of a source that failed since one did not, the newest first."""
        s = syncs.c
        done = s.outcome.in_((COMPLETE, PARTIAL))
        complete = select(func.coalesce(func.max(s.id), 0)).where(s.source == source, done)
        query = select(s.source, s.started_at, s.finished_at, s.outcome, s.counts).where(
            s.source == source, s.id > complete.scalar_subquery(), s.outcome.startswith("failed")
        )
        with self.snapshot() as connection:
            return tuple(SyncRecord(*row) for row in connection.execute(query.order_by(s.id.desc())))

    def running(self) -> tuple[str, ...]:
        """The sources of which a run is noted that never ended."""
        unfinished = select(syncs.c.source).where(syncs.c.outcome == RUNNING).distinct()
        with self.snapshot() as connection:
            return tuple(connection.execute(unfinished).scalars())

    def has_been_completed(self, source: str) -> bool:
        """Whether a run of this source ever went through."""
        query = select(syncs.c.id).where(syncs.c.source == source, syncs.c.outcome == COMPLETE).limit(1)
        with self.snapshot() as connection:
            return connection.execute(query).first() is not None

    def failures(self, source: str) -> tuple[DocumentFailure, ...]:
        """Documents of a source whose newest version could not be indexed, by uri."""
        f = failures.c
        query = select(f.uri, f.version, f.error, f.failed_at).where(f.source == source).order_by(f.uri)
        with self.snapshot() as connection:
            return tuple(DocumentFailure(*row) for row in connection.execute(query))

    def known(self, source: str) -> dict[str, KnownDocument]:
        """Every live document of a source by uri."""
        d = documents.c
        query = select(d.uri, d.version, d.content_hash, d.fingerprint).where(d.source == source)
        with self.snapshot() as connection:
            return {uri: KnownDocument(*rest) for uri, *rest in connection.execute(query)}

    def without_embedding(self, model: str, text_hashes: Collection[str]) -> set[str]:
        """Those of these text hashes that `model` has not embedded yet."""
        e = embeddings.c
        query = select(e.text_hash).where(e.model == model, e.text_hash.in_(texts_in("values")))
        with self.snapshot() as connection:
            stored = connection.execute(query, {"values": json.dumps(list(text_hashes))}).scalars()
            return set(text_hashes).difference(stored)

    def embeddings(self, model: str, text_hashes: Collection[str]) -> tuple[list[str], Vectors]:
        """Those of these text hashes that `model` has embedded, and their embeddings (n, dimensions)."""
        e = embeddings.c
        query = select(e.text_hash, e.vector).where(e.model == model, e.text_hash.in_(texts_in("values")))
        with self.snapshot() as connection:
            rows = connection.execute(query, {"values": json.dumps(list(text_hashes))}).all()
        matrix = np.frombuffer(b"".join(row.vector for row in rows), dtype=np.float32)
        return [row.text_hash for row in rows], matrix.reshape(len(rows), -1 if rows else 0)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A transaction: everything that is read in it is of one state."""
        with self._database.reading.connect() as connection:
            yield connection


def _json(ids: Sequence[int]) -> str:
    return json.dumps([int(i) for i in ids])


def _stored_passages() -> Select[Any]:
    p, d = passages.c, documents.c
    at_line = func.coalesce(
        d.url + func.replace(d.line_anchor, "{line}", cast(p.line, String), type_=String), d.url
    )
    return select(
        *(p.id, d.source, d.uri, at_line.label("url"), d.title, p.heading, p.text, p.ordinal, p.start, p.end),
        *(d.version, d.indexed_at, d.modified_at),
    ).join_from(passages, documents)


# Made once: making it takes as long as running it.
_READABLE_PASSAGES = _stored_passages().where(
    passages.c.id.in_(numbers_in("values")), documents.c.audience_id.in_(numbers_in("audiences"))
)


def _stored_documents() -> Select[Any]:
    d = documents.c
    return (
        select(
            *(d.source, d.uri, d.title, d.url, d.version, d.modified_at, d.indexed_at),
            *(func.count(passages.c.id).label("passages"), audiences.c.principals),
        )
        .select_from(documents.join(audiences).outerjoin(passages, passages.c.document_id == d.id))
        .group_by(d.id, audiences.c.id)
    )


def _stored_document(row: Row[Any]) -> StoredDocument:
    fields = row._asdict()
    return StoredDocument(audience=tuple(fields.pop("principals")), **fields)
