"""Keeping the index current: list, compare, read, convert, chunk, embed what is new, publish."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from knowledge.catalog import Catalog
from knowledge.documents import KnowledgeError, Listed, PartialListingError, Source
from knowledge.edition import Edition, MadeWith
from knowledge.editions import Editions
from knowledge.indexing import Chunks, Convert, DocumentsRun, Embeds, SyncFailure
from knowledge.listing import listed_until_cancelled
from knowledge.locking import SyncBusyError, SyncLocks
from knowledge.records import CANCELLED, COMPLETE, PARTIAL, KnownDocument
from knowledge.sync_report import CAREFUL, SyncOptions, SyncProgress, SyncReport, counts

_FEW_DELETIONS = 10
_LOOK_SECONDS = 0.5

Trust = Callable[[Edition, str], tuple[Mapping[str, KnownDocument], Mapping[str, str]]]


class Synchronizer:
    """Brings the index to the state of its sources: one run of a source at a time, several side by side.

    The methods block, are meant for a worker thread, and raise `SyncBusyError` at once while another run,
    of this or any process, has the same source. A run that is killed leaves every document in its old version
    or its new one, and the next run goes on from there.

    Where the chunker or the embedder are not those that the live edition of the index was made with, a run
    goes into an edition beside it. That one takes over when each source of which the live one holds something
    has had a whole run there, and was not lost but for a few documents.
    """

    def __init__(
        self,
        editions: Editions,
        embedder: Embeds,
        chunker: Chunks,
        convert: Convert,
        locks: SyncLocks,
        model: str,
        configured: Collection[str],
    ) -> None:
        """`convert` makes Markdown of a raw document and raises `UnreadableError` where it cannot.

        `model` names the embedder as `MadeWith` says, `configured` the sources of the
        settings: no edition waits for others.
        """
        self._editions = editions
        self._embedder = embedder
        self._chunker = chunker
        self._convert = convert
        self._locks = locks
        self._made_with = MadeWith(chunker.fingerprint, embedder.identity, model)
        self._configured = frozenset(configured)

    def sync(
        self,
        source: Source,
        *,
        on_progress: Callable[[SyncProgress], None],
        cancelled: threading.Event,
        options: SyncOptions = CAREFUL,
    ) -> SyncReport:
        """Index what is new or changed, remove what is gone; what is the same is not even read.

        A document that could not be converted is tried again when its version changes, one that could not
        be read in every run. Raises `KnowledgeError` when the listing is not complete (then nothing is
        deleted) or the disk is full (then what was indexed stands).
        """
        return self._run(source, _trust, on_progress, cancelled, options)

    def rebuild(
        self,
        source: Source,
        *,
        on_progress: Callable[[SyncProgress], None],
        cancelled: threading.Event,
        options: SyncOptions = CAREFUL,
    ) -> SyncReport:
        """Read, convert and chunk every document again, and build the vector index from nothing.

        Texts that were embedded before are not embedded again. Raises what `sync` raises.
        """
        return self._run(source, _distrust, on_progress, cancelled, options)

    def forget_source(self, name: str) -> None:
        """Remove all documents of a source that is no longer in the settings."""
        with self._locks.holding(name), self._editions.all() as editions:
            for edition in editions:
                edition.catalog.forget_source(name)
                self._wipe(edition, name)

    def forget_document(self, source_name: str, uri: str) -> int:
        """Remove a document at once and keep it out, listed or not, until it is restored.

        Returns how many passages it had. A run that is killed here has either noted and removed it or not.
        Its embeddings go with it, or at the end of the last of the runs that other sources have meanwhile.
        """
        with self._locks.holding(source_name), self._editions.all() as editions:
            passages = [edition.catalog.forget_document(source_name, uri) for edition in editions]
            for edition in editions:
                self._wipe(edition, source_name)
            return passages[0]

    def restore_document(self, source_name: str, uri: str) -> None:
        """Let the next sync index a forgotten document again, if its source still lists it."""
        with self._locks.holding(source_name), self._editions.all() as editions:
            for edition in editions:
                edition.catalog.restore_document(source_name, uri)

    def _run(
        self,
        source: Source,
        trust: Trust,
        on_progress: Callable[[SyncProgress], None],
        cancelled: threading.Event,
        options: SyncOptions,
    ) -> SyncReport:
        with self._locks.holding(source.name) as is_held:
            stopping = _Stopping(cancelled, is_held)
            with self._editions.working(self._made_with) as (edition, answering):
                # Before anything that takes long: a source that was closed to some is closed to them now.
                for one in _both(edition, answering):
                    one.catalog.set_audience(source.name, source.audience)
                if answering:
                    edition.catalog.keep_out(source.name, answering.catalog.forgotten(source.name))
                report = self._run_in(
                    edition, answering, source, trust(edition, source.name), on_progress, stopping, options
                )
                if report.cancelled and not cancelled.is_set():
                    raise KnowledgeError(
                        f"The sync of '{source.name}' lost its lock with the connection to the database: "
                        "what it had published stands, and the next one goes on from there."
                    )
                if not report.cancelled:
                    self._prune(edition, source.name)
                done = answering is not None and self._is_whole(edition, answering, options)
            if done:
                self._editions.take_over(edition)
            return report

    def _run_in(
        self,
        edition: Edition,
        answering: Edition | None,
        source: Source,
        trusted: tuple[Mapping[str, KnownDocument], Mapping[str, str]],
        on_progress: Callable[[SyncProgress], None],
        cancelled: threading.Event,
        options: SyncOptions,
    ) -> SyncReport:
        """Sync into one edition, believing only `trusted`: what is known, and which versions fail."""
        began = time.monotonic()
        known, failing = trusted
        catalog = edition.catalog
        with _noted([one.catalog for one in _both(edition, answering)], source.name) as end:
            on_progress(SyncProgress(source.name, "listing"))
            forgotten = {document.uri for document in catalog.forgotten(source.name)}
            run = DocumentsRun(
                catalog,
                answering.catalog if answering else None,
                self._embedder,
                self._chunker,
                self._convert,
                source,
                known,
                cancelled,
            )
            listing: dict[str, Listed] = {}
            is_whole = False
            try:
                for listed in listed_until_cancelled(source, cancelled, options.max_documents):
                    if listed.uri not in forgotten:
                        listing[listed.uri] = listed
                if not cancelled.is_set():
                    is_whole = run.remove_gone(listing, _may_remove(options))
            except PartialListingError as error:
                run.failed.append(SyncFailure(source.name, str(error)))
            due = run.due(listing, failing)
            for done, uri in enumerate(due):
                if cancelled.is_set():
                    break
                on_progress(SyncProgress(source.name, "documents", done, len(due), uri))
                run.take(uri, listing[uri].version)
            run.flush()
            if not cancelled.is_set():
                on_progress(SyncProgress(source.name, "index", len(due), len(due)))
                for one in _both(edition, answering):
                    one.catch_up()
            report = SyncReport(
                source=source.name,
                added=tuple(run.added),
                changed=tuple(run.changed),
                removed=tuple(run.removed),
                unchanged=run.unchanged,
                failed=tuple(run.failed),
                still_failing=run.still_failing,
                passages_embedded=run.passages_embedded,
                passages_live=catalog.passage_count(),
                seconds=time.monotonic() - began,
                index_generation=catalog.generation(),
                cancelled=cancelled.is_set(),
            )
            outcome = COMPLETE if is_whole or answering is None else PARTIAL
            end(CANCELLED if report.cancelled else outcome, counts(report))
            return report

    def _is_whole(self, edition: Edition, answering: Edition, options: SyncOptions) -> bool:
        """Whether an edition holds what the answering one holds of the configured sources, but for a few."""
        may_remove = _may_remove(options)
        for source in self._configured.intersection(answering.catalog.counts().by_source):
            if not edition.catalog.has_been_completed(source):
                return False
            held = answering.catalog.known(source).keys()
            if not may_remove(len(held - edition.catalog.known(source).keys()), len(held)):
                return False
        return True

    def _wipe(self, edition: Edition, source: str) -> None:
        edition.catch_up()
        self._prune(edition, source)
        edition.catalog.wipe()

    def _prune(self, edition: Edition, mine: str) -> None:
        """Drop embeddings that nothing needs, unless another source is being synced; `mine` is not."""
        for source in edition.catalog.running():
            with suppress(SyncBusyError):
                if source == mine:
                    edition.catalog.interrupt(source)
                    continue
                with self._locks.holding(source):
                    edition.catalog.interrupt(source)
        edition.catalog.prune_embeddings(edition.made_with.embedder)


class _Stopping(threading.Event):
    """Set when a run is cancelled, or has lost its lock: then another may have begun."""

    def __init__(self, cancelled: threading.Event, is_held: Callable[[], bool]) -> None:
        super().__init__()
        self._cancelled = cancelled
        self._is_held = is_held
        self._looked = time.monotonic()

    def is_set(self) -> bool:
        """Looks at the lock once in a while, which may take a question to a database."""
        if not super().is_set() and time.monotonic() - self._looked >= _LOOK_SECONDS:
            if not self._is_held():
                self.set()
            self._looked = time.monotonic()
        return super().is_set() or self._cancelled.is_set()


def _both(edition: Edition, answering: Edition | None) -> tuple[Edition, ...]:
    return (edition,) if answering is None else (edition, answering)


def _trust(edition: Edition, source: str) -> tuple[Mapping[str, KnownDocument], Mapping[str, str]]:
    failures = edition.catalog.failures(source)
    return edition.catalog.known(source), {failure.uri: failure.version for failure in failures}


def _distrust(edition: Edition, source: str) -> tuple[Mapping[str, KnownDocument], Mapping[str, str]]:
    edition.discard()
    return {}, {}


@contextmanager
def _noted(catalogs: Sequence[Catalog], source: str) -> Iterator[Callable[[str, Mapping[str, int]], None]]:
    """Note a run and its failure in these catalogs; what is yielded notes how it ended."""
    runs = [(catalog, catalog.begin_sync(source)) for catalog in catalogs]

    def end(outcome: str, counts: Mapping[str, int]) -> None:
        for catalog, run in runs:
            catalog.end_sync(run, outcome, counts)

    try:
        yield end
    except (KnowledgeError, OSError) as error:
        with suppress(KnowledgeError):
            end(f"failed: {error}", {})
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise KnowledgeError(
                f"No space left on the disk ({error.filename or catalogs[0].place}): what was "
                "indexed before is intact; free some space and sync again."
            ) from error
        raise


def _may_remove(options: SyncOptions) -> Callable[[int, int], bool]:
    """Whether so many documents of so many may be removed."""

    def may_remove(gone: int, known: int) -> bool:
        many = gone > _FEW_DELETIONS and gone > options.max_deletion_share * known
        return options.confirm_deletions or not many

    return may_remove
