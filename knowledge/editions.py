"""The editions of the index: the one that answers, and one that is built beside it with other settings."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from knowledge.documents import KnowledgeError
from knowledge.edition import NOTHING, Edition, EditionStore, MadeWith, OpenIndex
from knowledge.vectors import Announce

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """How far an edition beside the live one is: `documents` of about `total`.

    It takes over after a whole run of each source in `waiting`.
    """

    documents: int
    total: int
    waiting: tuple[str, ...]


class Editions:
    """The editions of one store, each opened once; safe in many threads and processes.

    Every method looks anew which of them answers. An edition that is neither live nor beside the
    live one is dead: whoever closes it last removes it.
    """

    def __init__(self, store: EditionStore, announce: Announce, open_index: OpenIndex) -> None:
        """Nothing is read or made before the first method needs it."""
        self._store = store
        self._announce = announce
        self._open_index = open_index
        self._open: dict[str, Edition] = {}
        self._live: Edition | None = None
        self._looked: Hashable = None
        self._working: Edition | None = None
        self._was_ours = False
        self._lock = threading.RLock()

    def live(self) -> Edition:
        """The edition that answers; an empty one where nothing was ever indexed.

        It may be closed when another one took over: take it anew for each thing to do, or see `reading`.
        """
        with self._lock:
            if self._live is None or self._store.looked() != self._looked:
                self._live = self._open_live()
                self._close_unused()
            return self._live

    @contextmanager
    def reading(self) -> Iterator[Edition]:
        """The live edition, which stays open for the block whatever takes over meanwhile."""
        with self._lock:
            edition = self.live()
            edition.users += 1
        with self._used(edition):
            yield edition

    @contextmanager
    def working(self, made_with: MadeWith) -> Iterator[tuple[Edition, Edition | None]]:
        """The edition made with these settings, and the live one if that is another; both stay for the block.

        It is resumed or begun where the live one is made with others, and takes over at once from one that
        holds nothing; what other settings left unfinished is removed. Raises `KnowledgeError` when this
        process's settings were the live edition's, and another process has replaced it meanwhile.
        """
        with self._lock, self._store.changing():
            live = self.live()
            edition = self._working_edition(live, made_with)
            if edition is not live and not live.catalog.counts().documents:
                live = self._let_answer(edition)
            used = (edition,) if edition is live else (edition, live)
            for one in used:
                one.users += 1
        with self._used(*used):
            yield edition, None if edition is live else live

    @contextmanager
    def all(self) -> Iterator[tuple[Edition, ...]]:
        """Every edition on disk, the live one first: what must never be said again goes from all."""
        with self._lock, self._store.changing():
            live = self.live()
            used = (live, *(edition for edition in self._on_disk() if edition is not live))
            for edition in used:
                edition.users += 1
        with self._used(*used):
            yield used

    def take_over(self, edition: Edition) -> None:
        """Let an edition answer in the place of the live one, from one question to the next.

        Index generations go on counting. Call it when no run of this thread uses the live one.
        """
        live = self.live()
        if edition is live or edition.beside != live.name:
            return
        edition.catalog.continue_from(live.catalog.generation())
        edition.catch_up()
        live.retire()
        with self._lock, self._store.changing():
            if self.live().name == edition.beside:
                lost = live.catalog.counts().by_source.keys() - edition.catalog.counts().by_source.keys()
                self._let_answer(edition)
                names = ", ".join(f"'{source}'" for source in sorted(lost))
                self._announce(
                    "The rebuilt index has taken over" + (f"; nothing of {names} is in it." if lost else ".")
                )

    def rebuilding(self, configured: Iterable[str]) -> Rebuilding | None:
        """How far the edition beside the live one is; None when there is none."""
        with self.all() as (live, *others):
            beside = [edition for edition in others if edition.beside == live.name]
            counts = live.catalog.counts()
            if not beside or not counts.documents:
                return None
            newest = max(beside, key=lambda edition: edition.began)
            done = newest.catalog.counts().documents
            sources = [source for source in configured if source in counts.by_source]
            waiting = tuple(source for source in sources if not newest.catalog.has_been_completed(source))
        return Rebuilding(done, counts.documents, waiting)

    def close(self) -> None:
        """Close every edition that is open."""
        with self._lock:
            for edition in self._open.values():
                edition.close()
            self._open.clear()
            self._live = self._working = self._looked = None
            self._store.close()

    def _open_live(self) -> Edition:
        for _ in range(_TRIES):
            # Before the reading: of a pointer replaced in between, the next look finds out.
            looked = self._store.looked()
            try:
                edition = self._opened(self._store.live())
            except FileNotFoundError:
                self._begin_unless_begun()
            else:
                self._looked = looked
                return edition
        raise KnowledgeError(
            f"The index in {self._store} names an edition that is not there: move it away and sync again."
        )

    def _begin_unless_begun(self) -> None:
        """Make an empty edition live where none is."""
        with self._store.changing():
            if self._store.looked() is None:
                self._store.let_answer(self._store.create(NOTHING, ""))

    def _let_answer(self, edition: Edition) -> Edition:
        self._store.let_answer(edition.name)
        self._was_ours = True
        return self.live()

    def _working_edition(self, live: Edition, made_with: MadeWith) -> Edition:
        before, working = self._working, live
        if _same(live.made_with, made_with):
            self._was_ours = True
        elif self._was_ours:
            raise KnowledgeError(
                "Another process has rebuilt the index with other settings: restart this one to use them."
            )
        elif before and before.beside == live.name:
            working = before
        else:
            working = self._beside(live, made_with)
        if working is not before:
            self._working = working
            self._close_unused()
            self._store.remove_all_but(live.name, working.name)
        return working

    def _beside(self, live: Edition, made_with: MadeWith) -> Edition:
        for edition in self._on_disk():
            if edition.beside == live.name and _same(edition.made_with, made_with):
                return edition
        if live.catalog.counts().documents:
            self._announce(
                "Other settings cut or embed the documents differently: the index is rebuilt beside the live "
                "one, which answers until the new one takes over."
            )
        edition = self._opened(self._store.create(made_with, live.name))
        for source in live.catalog.sources_seen():
            edition.catalog.keep_out(source, live.catalog.forgotten(source))
        return edition

    def _on_disk(self) -> Iterator[Edition]:
        for name in self._store.names():
            with suppress(FileNotFoundError):
                yield self._opened(name)

    def _opened(self, name: str) -> Edition:
        if name not in self._open:
            self._open[name] = Edition(self._store.open(name), self._announce, self._open_index)
        return self._open[name]

    @contextmanager
    def _used(self, *editions: Edition) -> Iterator[None]:
        try:
            yield
        finally:
            with self._lock:
                for edition in editions:
                    edition.users -= 1
                self._close_unused()

    def _close_unused(self) -> None:
        live = self._live
        if live and self._working and live.name not in (self._working.name, self._working.beside):
            self._working = None
        for edition in list(self._open.values()):
            if edition.users or edition in (live, self._working):
                continue
            del self._open[edition.name]
            edition.close()
            if live and edition.beside != live.name:
                self._store.remove_unless_open(edition.name)


def _same(one: MadeWith, other: MadeWith) -> bool:
    return one.fingerprint == other.fingerprint
