"""Keeping the index current: list, compare, read, convert, chunk, embed what is new, publish."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from knowledge.catalog import Catalog
from knowledge.documents import KnowledgeError, Source
from knowledge.indexing import Chunks, Convert, DocumentsRun, Embeds, SyncFailure
from knowledge.locking import SyncBusyError, sync_lock
from knowledge.records import KnownDocument
from knowledge.vectors import VectorIndex

__all__ = [
    "SyncBusyError",
    "SyncFailure",
    "SyncOptions",
    "SyncProgress",
    "SyncReport",
    "Synchronizer",
]

_FEW_DELETIONS = 10

Phase = Literal["listing", "documents", "index"]


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How careful a run is.

    When more than 10 documents and more than `max_deletion_share` of a source are gone from its listing, they
    are kept and the report says so, unless `confirm_deletions`: a folder that is not mounted looks empty.
    """

    max_deletion_share: float = 0.3
    confirm_deletions: bool = False


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far a run is: `done` of `total` documents that are new or changed, `uri` the one in hand."""

    source: str
    phase: Phase
    done: int = 0
    total: int = 0
    uri: str = ""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What one run did.

    `failed` are the documents tried in this run; `still_failing` counts those that failed before and have
    not changed since. `passages_live` and `index_generation` are those of the whole index. A cancelled run
    keeps what it has published; the next one continues.
    """

    source: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    failed: tuple[SyncFailure, ...]
    still_failing: int
    passages_embedded: int
    passages_live: int
    seconds: float
    index_generation: int
    cancelled: bool = False


class Synchronizer:
    """Brings the index to the state of its sources, one source and one run at a time.

    The methods block, are meant for a worker thread, and raise `SyncBusyError` at once while another run,
    of this or any process, holds the lock. A run that is killed leaves every document in its old version or
    its new one, and the next run goes on from there.
    """

    def __init__(
        self,
        catalog: Catalog,
        vectors: VectorIndex,
        embedder: Embeds,
        chunker: Chunks,
        convert: Convert,
        lock_file: Path,
    ) -> None:
        """`convert` makes Markdown of a raw document and raises `UnreadableError` where it cannot."""
        self._catalog = catalog
        self._vectors = vectors
        self._embedder = embedder
        self._chunker = chunker
        self._convert = convert
        self._lock_file = lock_file

    def sync(
        self,
        source: Source,
        *,
        on_progress: Callable[[SyncProgress], None],
        cancelled: threading.Event,
        options: SyncOptions = SyncOptions(),
    ) -> SyncReport:
        """Index what is new or changed, remove what is gone; what is the same is not even read.

        A document that could not be converted is tried again when its version changes, one that could not
        be read in every run. Raises `KnowledgeError` when the listing is not complete (then nothing is
        deleted) or the disk is full (then what was indexed stands).
        """
        with sync_lock(self._lock_file):
            known = self._catalog.known(source.name)
            failures = {failure.uri: failure.version for failure in self._catalog.failures(source.name)}
            return self._run(source, known, failures, on_progress, cancelled, options)

    def rebuild(
        self,
        source: Source,
        *,
        on_progress: Callable[[SyncProgress], None],
        cancelled: threading.Event,
        options: SyncOptions = SyncOptions(),
    ) -> SyncReport:
        """Read, convert and chunk every document again, and build the vector index from nothing.

        Texts that were embedded before are not embedded again. Raises what `sync` raises.
        """
        with sync_lock(self._lock_file):
            self._vectors.discard()
            return self._run(source, {}, {}, on_progress, cancelled, options)

    def forget_source(self, name: str) -> None:
        """Remove all documents of a source that is no longer in the settings."""
        with sync_lock(self._lock_file):
            self._catalog.forget_source(name)
            self._vectors.catch_up()
            self._catalog.prune_embeddings(self._embedder.identity)

    def forget_document(self, source_name: str, uri: str) -> int:
        """Remove a document at once and keep it out, listed or not, until it is restored.

        Returns how many passages it had. A run that is killed here has either noted and removed it or not.
        """
        with sync_lock(self._lock_file):
            passages = self._catalog.forget_document(source_name, uri)
            self._vectors.catch_up()
            self._catalog.prune_embeddings(self._embedder.identity)
            return passages

    def restore_document(self, source_name: str, uri: str) -> None:
        """Let the next sync index a forgotten document again, if its source still lists it."""
        with sync_lock(self._lock_file):
            self._catalog.restore_document(source_name, uri)

    def _run(
        self,
        source: Source,
        trusted: Mapping[str, KnownDocument],
        failing: Mapping[str, str],
        on_progress: Callable[[SyncProgress], None],
        cancelled: threading.Event,
        options: SyncOptions,
    ) -> SyncReport:
        """Sync, taking for unchanged only what is in `trusted` and for hopeless only what is in `failing`."""
        began = time.monotonic()
        # Before anything that takes long: a source that was closed to some is closed to them now.
        self._catalog.set_audience(source.name, source.audience)
        sync_id = self._catalog.begin_sync(source.name)
        with self._noting_failure(sync_id):
            on_progress(SyncProgress(source.name, "listing"))
            forgotten = {document.uri for document in self._catalog.forgotten(source.name)}
            listing = {listed.uri: listed.version for listed in source.list() if listed.uri not in forgotten}
            run = DocumentsRun(
                self._catalog, self._embedder, self._chunker, self._convert, source, trusted, cancelled
            )
            run.remove_gone(listing, _may_remove(options))
            due = run.due(listing, failing)
            for done, uri in enumerate(due):
                if cancelled.is_set():
                    break
                on_progress(SyncProgress(source.name, "documents", done, len(due), uri))
                run.take(uri, listing[uri])
            run.flush()
            if not cancelled.is_set():
                on_progress(SyncProgress(source.name, "index", len(due), len(due)))
                self._vectors.catch_up()
                self._catalog.prune_embeddings(self._embedder.identity)
            report = SyncReport(
                source=source.name,
                added=tuple(run.added),
                changed=tuple(run.changed),
                removed=tuple(run.removed),
                unchanged=run.unchanged,
                failed=tuple(run.failed),
                still_failing=run.still_failing,
                passages_embedded=run.passages_embedded,
                passages_live=self._catalog.passage_count(),
                seconds=time.monotonic() - began,
                index_generation=self._catalog.generation(),
                cancelled=cancelled.is_set(),
            )
            self._catalog.end_sync(sync_id, "cancelled" if report.cancelled else "complete", _counts(report))
            return report

    @contextmanager
    def _noting_failure(self, sync_id: int) -> Iterator[None]:
        try:
            yield
        except (KnowledgeError, OSError) as error:
            with suppress(KnowledgeError):
                self._catalog.end_sync(sync_id, f"failed: {error}", {})
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise KnowledgeError(
                    f"No space left on the disk ({error.filename or self._catalog.path.parent}): what was "
                    "indexed before is intact; free some space and sync again."
                ) from error
            raise


def _may_remove(options: SyncOptions) -> Callable[[int, int], bool]:
    """Whether so many documents of so many may be removed."""

    def may_remove(gone: int, known: int) -> bool:
        many = gone > _FEW_DELETIONS and gone > options.max_deletion_share * known
        return options.confirm_deletions or not many

    return may_remove


def _counts(report: SyncReport) -> dict[str, int]:
    return {
        "added": len(report.added),
        "changed": len(report.changed),
        "removed": len(report.removed),
        "unchanged": report.unchanged,
        "failed": len(report.failed),
        "still_failing": report.still_failing,
        "passages_embedded": report.passages_embedded,
        "passages_live": report.passages_live,
    }
