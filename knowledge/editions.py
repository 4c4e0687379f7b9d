"""The editions of the index: the one that answers, and one that is built beside it with other settings.

index/live    the name of the edition that answers, replaced in one step
index/NAME/   an edition, see `knowledge.edition`
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from knowledge.documents import KnowledgeError
from knowledge.edition import (
    ABOUT,
    NOTHING,
    REMOVED,
    Edition,
    MadeWith,
    OpenIndex,
    create,
    remove_unless_open,
    write_in_one_step,
)
from knowledge.vectors import Announce

LIVE = "live"
CHANGING = "editions.lock"
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
    """The editions in one folder, each opened once; safe in many threads and processes.

    Every method looks at `live` anew, which costs one stat(2). An edition that is neither live nor beside the
    live one is dead: whoever closes it last removes it.
    """

    def __init__(self, folder: Path, announce: Announce, open_index: OpenIndex) -> None:
        """Nothing is read or made before the first method needs it."""
        self._folder = folder
        self._announce = announce
        self._open_index = open_index
        self._open: dict[str, Edition] = {}
        self._live: Edition | None = None
        self._looked: tuple[int, int] | None = None
        self._working: Edition | None = None
        self._was_ours = False
        self._lock = threading.RLock()
        self._changing = FileLock(folder / CHANGING)

    def live(self) -> Edition:
        """The edition that answers; an empty one where nothing was ever indexed.

        It may be closed when another one took over: take it anew for each thing to do, or see `reading`.
        """
        with self._lock:
            if self._live is None or _stamp(self._folder / LIVE) != self._looked:
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
        with self._lock, self._locked():
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
        with self._lock, self._locked():
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
        with self._lock, self._locked():
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
            newest = max(beside, key=lambda edition: (edition.folder / ABOUT).stat().st_mtime_ns)
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

    def _open_live(self) -> Edition:
        for _ in range(_TRIES):
            # Before the reading: of a pointer replaced in between, the next look finds out.
            looked = _stamp(self._folder / LIVE)
            try:
                edition = self._opened((self._folder / LIVE).read_text(encoding="utf-8").strip())
            except FileNotFoundError:
                self._begin_unless_begun()
            else:
                self._looked = looked
                return edition
        raise KnowledgeError(
            f"The index in {self._folder} names an edition that is not there: move the folder away and sync "
            "again."
        )

    def _begin_unless_begun(self) -> None:
        """Make an empty edition live where no file says which one is."""
        with self._locked():
            if _stamp(self._folder / LIVE) is None:
                name = create(self._folder, NOTHING, "")
                write_in_one_step(self._folder / LIVE, f"{name}\n")

    def _let_answer(self, edition: Edition) -> Edition:
        write_in_one_step(self._folder / LIVE, f"{edition.name}\n")
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
            self._remove_all_but(live.name, working.name)
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
        edition = self._opened(create(self._folder, made_with, live.name))
        for source in live.catalog.sources_seen():
            edition.catalog.keep_out(source, live.catalog.forgotten(source))
        return edition

    def _on_disk(self) -> Iterator[Edition]:
        for folder in sorted(self._folder.iterdir()):
            if folder.is_dir() and not folder.name.startswith(REMOVED):
                with suppress(FileNotFoundError):
                    yield self._opened(folder.name)

    def _remove_all_but(self, *kept: str) -> None:
        for folder in self._folder.iterdir():
            if folder.is_dir() and folder.name not in kept:
                remove_unless_open(folder)

    def _opened(self, name: str) -> Edition:
        if name not in self._open:
            self._open[name] = Edition(self._folder / name, self._announce, self._open_index)
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
                remove_unless_open(edition.folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._changing:
            yield


def _same(one: MadeWith, other: MadeWith) -> bool:
    return one.fingerprint == other.fingerprint


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
