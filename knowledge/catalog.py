"""The truth about what is indexed, and the transactions that change it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

import numpy as np
from sqlalchemy import Connection, Update, bindparam, delete, exists, func, insert, select, update

from knowledge.arrays import Vectors
from knowledge.dialects import numbers_in, texts_in, upserting
from knowledge.reading import CatalogReader
from knowledge.records import INTERRUPTED, RUNNING, DocumentFailure, DocumentVersion, ForgottenDocument
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

_SYNCS_KEPT = 200


class Catalog(CatalogReader):
    """The catalog in one database: documents, passages, embeddings, audiences, failures, past syncs.

    Safe for many threads and processes, of which one at a time writes about a source (`knowledge.sync` holds
    a lock for that). Every method is one transaction: what a killed process leaves is the state before or
    after it.
    Methods raise `KnowledgeError` when the database is damaged, locked for long or away, or its disk is full;
    what was published then stands.
    """

    def publish(
        self,
        source: str,
        audience: frozenset[str],
        versions: Sequence[DocumentVersion],
        removed: Collection[str] = (),
    ) -> None:
        """Make these versions live and the removed uris dead, in one transaction and one generation.

        A passage that a new version still has, under the same title and heading, keeps its id.
        """
        if not versions and not removed:
            return
        with self._write() as connection:
            audience_id = _audience_id(connection, audience)
            changed = [_publish_document(connection, source, audience_id, one) for one in versions]
            self.full_text.index_new(connection, changed)
            _forget_failures(connection, source, [*(v.uri for v in versions), *removed])
            gone = delete(documents).where(
                documents.c.source == source, documents.c.uri.in_(texts_in("values"))
            )
            connection.execute(gone, {"values": json.dumps(list(removed))})
            _next_generation(connection)

    def set_audience(self, source: str, audience: frozenset[str]) -> None:
        """Open all documents of a source to this audience and nobody else."""
        with self._write() as connection:
            audience_id = _audience_id(connection, audience)
            theirs = (documents.c.source == source) & (documents.c.audience_id != audience_id)
            if connection.execute(update(documents).where(theirs).values(audience_id=audience_id)).rowcount:
                _next_generation(connection)

    def mark(self, source: str, versions: Mapping[str, str]) -> None:
        """Note new version marks of documents (uri to mark) whose content is the same."""
        if not versions:
            return
        d = documents.c
        statement = update(documents).where(d.source == source, d.uri == bindparam("at"))
        with self._write() as connection:
            connection.execute(
                statement.values(version=bindparam("mark")),
                [{"at": uri, "mark": version} for uri, version in versions.items()],
            )
            _forget_failures(connection, source, list(versions))

    def add_failures(self, source: str, failed: Sequence[DocumentFailure]) -> None:
        """Note documents that could not be indexed, in place of what was noted of them before."""
        if not failed:
            return
        rows = [
            {"source": source, "uri": f.uri, "version": f.version, "error": f.error, "failed_at": f.failed_at}
            for f in failed
        ]
        with self._write() as connection:
            _forget_failures(connection, source, [f.uri for f in failed])
            connection.execute(insert(failures), rows)

    def forget_failures(self, source: str, uris: Sequence[str]) -> None:
        """Drop the failures noted of these uris."""
        if uris:
            with self._write() as connection:
                _forget_failures(connection, source, uris)

    def add_embeddings(self, model: str, text_hashes: Sequence[str], vectors: Vectors) -> None:
        """Keep embeddings (n, dimensions), one for each text hash."""
        rows = [
            {"model": model, "text_hash": text_hash, "vector": vector.tobytes()}
            for text_hash, vector in zip(text_hashes, vectors.astype(np.float32), strict=True)
        ]
        if rows:
            with self._write() as connection:
                connection.execute(upserting(connection, embeddings).on_conflict_do_nothing(), rows)

    def prune_embeddings(self, model: str) -> int:
        """Drop embeddings of texts that no live passage has, and of other models once `model` has them.

        None is dropped while a run is noted as running: it may have added some that it publishes later.
        """
        e, newer = embeddings.c, embeddings.alias()
        orphan = e.text_hash.not_in(select(passages.c.text_hash))
        superseded = (e.model != model) & e.text_hash.in_(
            select(newer.c.text_hash).where(newer.c.model == model)
        )
        nobody_runs = ~exists(select(syncs.c.id).where(syncs.c.outcome == RUNNING))
        with self._write() as connection:
            return connection.execute(delete(embeddings).where(nobody_runs, orphan | superseded)).rowcount

    def forget_source(self, source: str) -> None:
        """Remove everything about a source, the notes of what was forgotten of it included."""
        with self._write() as connection:
            removed = connection.execute(delete(documents).where(documents.c.source == source)).rowcount
            connection.execute(delete(failures).where(failures.c.source == source))
            connection.execute(delete(forgotten).where(forgotten.c.source == source))
            connection.execute(delete(syncs).where(syncs.c.source == source))
            if removed:
                _next_generation(connection)

    def forget_document(self, source: str, uri: str) -> int:
        """Remove a document and note that it stays out until it is restored; how many passages it had."""
        d = documents.c
        here = (d.source == source) & (d.uri == uri)
        count = select(func.count(passages.c.id)).join_from(passages, documents).where(here)
        with self._write() as connection:
            had = connection.execute(count).scalar_one()
            note = upserting(connection, forgotten).on_conflict_do_nothing()
            connection.execute(note, {"source": source, "uri": uri, "at": _now()})
            _forget_failures(connection, source, [uri])
            if connection.execute(delete(documents).where(here)).rowcount:
                _next_generation(connection)
            return had

    def restore_document(self, source: str, uri: str) -> None:
        """Drop the note that a document stays out."""
        noted = (forgotten.c.source == source) & (forgotten.c.uri == uri)
        with self._write() as connection:
            connection.execute(delete(forgotten).where(noted))

    def keep_out(self, source: str, noted: Sequence[ForgottenDocument]) -> None:
        """Note these documents of a source, and no others, as those that stay out."""
        rows = [{"source": source, "uri": document.uri, "at": document.at} for document in noted]
        with self._write() as connection:
            connection.execute(delete(forgotten).where(forgotten.c.source == source))
            if rows:
                connection.execute(insert(forgotten), rows)

    def continue_from(self, generation: int) -> None:
        """Have the generations of this catalog go on after that of another."""
        with self._write() as connection:
            if _newest_generation(connection) <= generation:
                _add_generation(connection, generation + 1)

    def wipe(self) -> None:
        """Leave nothing where the database may still hold what was deleted."""
        self._database.wipe(self._database.writing)

    def interrupt(self, source: str) -> None:
        """Note that the runs of a source which never ended were interrupted."""
        with self._write() as connection:
            connection.execute(_interrupted(source))

    def begin_sync(self, source: str) -> int:
        """Note that a run begins, and that runs of this source which never ended were interrupted.

        Returns the run's id.
        """
        runs = select(syncs.c.id).where(syncs.c.source == source).order_by(syncs.c.id.desc())
        row = {"source": source, "started_at": _now(), "outcome": RUNNING, "counts": {}}
        with self._write() as connection:
            connection.execute(_interrupted(source))
            connection.execute(delete(syncs).where(syncs.c.id.in_(runs.offset(_SYNCS_KEPT))))
            return int(connection.execute(insert(syncs).returning(syncs.c.id), row).scalar_one())

    def end_sync(self, sync_id: int, outcome: str, counts: Mapping[str, int]) -> None:
        """Note how a run ended."""
        values = {"finished_at": _now(), "outcome": outcome, "counts": dict(counts)}
        with self._write() as connection:
            connection.execute(update(syncs).where(syncs.c.id == sync_id).values(values))

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with (
            self._database.writing.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            yield connection


def _now() -> datetime:
    return datetime.now(UTC)


def _next_generation(connection: Connection) -> None:
    # Writers wait for each other: of two generations the later one is the newer.
    _add_generation(connection, _newest_generation(connection) + 1)


def _newest_generation(connection: Connection) -> int:
    return connection.execute(select(func.max(generations.c.generation))).scalar_one() or 0


def _add_generation(connection: Connection, generation: int) -> None:
    row = {"generation": generation, "token": uuid4().hex, "published_at": _now()}
    connection.execute(insert(generations), row)


def _interrupted(source: str) -> Update:
    unfinished = (syncs.c.source == source) & (syncs.c.outcome == RUNNING)
    return update(syncs).where(unfinished).values(outcome=INTERRUPTED)


def _audience_id(connection: Connection, audience: frozenset[str]) -> int:
    principals = sorted(audience)
    found = connection.execute(select(audiences.c.id).where(audiences.c.principals == principals)).scalar()
    if found is None:
        new = insert(audiences).returning(audiences.c.id)
        found = connection.execute(new, {"principals": principals}).scalar_one()
    return int(found)


def _forget_failures(connection: Connection, source: str, uris: Sequence[str]) -> None:
    statement = delete(failures).where(failures.c.source == source, failures.c.uri.in_(texts_in("values")))
    connection.execute(statement, {"values": json.dumps(uris)})


def _publish_document(connection: Connection, source: str, audience_id: int, version: DocumentVersion) -> int:
    """Replace a document's row, and those of its passages that the new version words otherwise.

    Returns the document's id.
    """
    row: dict[str, object] = {
        "title": version.title,
        "url": version.url,
        "line_anchor": version.line_anchor,
        "version": version.version,
        "content_hash": version.content_hash,
        "fingerprint": version.fingerprint,
        "audience_id": audience_id,
        "modified_at": version.modified_at,
        "indexed_at": _now(),
    }
    d = documents.c
    here = (d.source == source) & (d.uri == version.uri)
    found = connection.execute(select(d.id, d.title).where(here)).first()
    if found is None:
        values = {"source": source, "uri": version.uri, **row}
        document_id = connection.execute(insert(documents).returning(d.id), values).scalar_one()
    else:
        document_id = found.id
        connection.execute(update(documents).where(here).values(row))

    p = passages.c
    old = connection.execute(select(p.id, p.heading, p.text, p.text_hash).where(p.document_id == document_id))
    reusable = defaultdict(list)
    for passage_id, *content in old:
        # The lexical index holds the title beside each passage: under another title none can stay.
        reusable[(*content, found and found.title)].append(passage_id)
    added, kept = [], []
    for ordinal, (passage, text_hash) in enumerate(zip(version.passages, version.text_hashes, strict=True)):
        place = {"ordinal": ordinal, "start": passage.start, "end": passage.end, "line": passage.line}
        same = reusable[(passage.heading, passage.text, text_hash, version.title)]
        if same:
            kept.append({"passage_id": same.pop(0), **place})
        else:
            wording = {"heading": passage.heading, "text": passage.text, "text_hash": text_hash}
            added.append({"document_id": document_id, **wording, **place})
    dead = [passage_id for ids in reusable.values() for passage_id in ids]
    if dead:
        connection.execute(
            delete(passages).where(p.id.in_(numbers_in("values"))), {"values": json.dumps(dead)}
        )
    if kept:
        connection.execute(update(passages).where(p.id == bindparam("passage_id")), kept)
    if added:
        connection.execute(insert(passages), added)
    return int(document_id)
