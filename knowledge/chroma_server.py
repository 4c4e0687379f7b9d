"""The vector index on a Chroma server, which several processes ask and one keeps current."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from knowledge.chroma_copies import Copies, Copy
from knowledge.chroma_filling import Filling, StoppedError
from knowledge.chroma_http import ChromaServer, ChromaServerError, NoCollectionError
from knowledge.documents import KnowledgeError
from knowledge.reading import CatalogReader
from knowledge.vectors import Announce, ExactVectors

# Questions fail; the copy cannot be brought up to date; the server answers and has lost the copy.
Trouble = Literal["asked", "written", "lost"]

_WRITE_SECONDS = 60.0
_AT_ONCE = 8

# How long a copy is believed without another look, how soon another one is looked for, and how long a server
# that failed is left alone.
_BELIEVED_SECONDS = 60.0
_LOOK_SECONDS = 2.0
_REST_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Searches:
    """How many searches the server answered, and how many the exact search in its place."""

    on_server: int
    exact: int


class ServerVectors:
    """A `VectorIndex` in a Chroma server, with the exact search as its stand-in.

    The server answers only while a whole copy of the catalog's present state is there (see `Filling`), and
    for each audience of the reader it is asked for that audience's passages alone. Otherwise (it cannot be
    reached, is late, has lost the copy, a sync is running) the exact search answers. A server that failed is
    left alone for some seconds, then one question tries it. What goes wrong is announced once, and so is when
    it is right again.
    """

    def __init__(
        self,
        server: ChromaServer,
        edition: str,
        catalog: CatalogReader,
        model: str,
        announce: Announce,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`edition` is a name that no other index has but its own backups; `model` embedded the passages."""
        self._server = server
        self._copies = Copies(server, edition)
        self._writing = server.patient(_WRITE_SECONDS)
        self._catalog = catalog
        self._announce = announce
        self._clock = clock
        self._model = model
        copies = Copies(self._writing, edition)
        self._filling = Filling(self._writing, copies, catalog, model, announce)
        self._exact = ExactVectors(catalog, model)
        self._threads = ThreadPoolExecutor(_AT_ONCE, "chroma")
        self._lock = threading.Lock()
        self._opened: Copy | None = None
        self._sought = ""
        self._next_look = 0.0
        self._troubles: dict[Trouble, str] = {}
        self._counted = Searches(0, 0)

    @property
    def searches(self) -> Searches:
        """What was searched since the index was opened."""
        return self._counted

    def problem(self) -> str:
        """Why the server does not answer questions at present; "" when it does. Asks it, if that is due."""
        if self._usable() is not None or not self._catalog.passage_count():
            return ""
        behind = f"{self._server} does not hold the newest state of the index yet."
        return next(iter(self._troubles.values()), behind)

    def query(
        self, vector: NDArray[np.float32], limit: int, audiences: Sequence[int]
    ) -> list[tuple[int, float]]:
        """See `VectorIndex.query`; Chroma's own answer is approximate."""
        if limit <= 0 or not audiences:
            return []
        copy = self._usable()
        if copy is not None:
            try:
                found = self._nearest(copy, vector, limit, audiences)
            except NoCollectionError:
                with self._lock:
                    self._next_look = 0.0
            except ChromaServerError as error:
                with self._lock:
                    self._fail(str(error))
            else:
                self._count(1, 0)
                return found
        self._count(0, 1)
        return self._exact.query(vector, limit, audiences)

    def catch_up(self) -> None:
        """See `VectorIndex.catch_up`."""
        try:
            self._filling.catch_up()
        except StoppedError:
            return
        except KnowledgeError as error:
            with self._lock:
                self._suffer("written", str(error))
            return
        with self._lock:
            self._next_look = 0.0
            self._recover("written")
        self._usable()

    def discard(self) -> None:
        """See `VectorIndex.discard`."""
        with self._lock:
            self._opened = None
        try:
            self._filling.discard()
        except KnowledgeError as error:
            with self._lock:
                self._suffer("written", str(error))

    def retire(self) -> None:
        """See `VectorIndex.retire`."""
        self.discard()

    def close(self) -> None:
        """Break off a `catch_up`, close the connections that write, and free the exact search's memory."""
        self._filling.stop()
        self._threads.shutdown()
        self._writing.close()
        self._exact.close()

    def _nearest(
        self, copy: Copy, vector: NDArray[np.float32], limit: int, audiences: Sequence[int]
    ) -> list[tuple[int, float]]:
        readable = set(audiences)
        asked = [self._server.records(part.collection) for part in copy.parts if part.audience in readable]
        found = self._threads.map(lambda records: records.nearest(vector, limit), asked)
        pairs = [pair for some in found for pair in some]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:limit]

    def _usable(self) -> Copy | None:
        """The copy that holds the catalog's present state, if there is one and the server is in order."""
        stamp = self._catalog.stamp()
        # One looks and the others wait: the exact search would read everything for the sake of a moment.
        with self._lock:
            now = self._clock()
            had = self._opened if self._opened and self._opened.stamp == stamp else None
            if had and now < self._next_look:
                return had
            if now < self._next_look and ("asked" in self._troubles or self._sought == stamp):
                return None
            self._opened, self._sought = None, stamp
            try:
                copy = self._looked_for(stamp)
            except NoCollectionError:
                copy = None
            except ChromaServerError as error:
                self._fail(str(error))
                return None
            self._next_look = self._clock() + (_BELIEVED_SECONDS if copy else _LOOK_SECONDS)
            if copy:
                self._opened = copy
                self._exact.discard()
                self._recover("asked", "lost", "written")
            else:
                if had:
                    self._suffer("lost", f"{self._server} no longer holds the index.")
                self._recover("asked")
            return copy

    def _looked_for(self, stamp: str) -> Copy | None:
        for copy in self._copies.found():
            if copy.whole and (copy.stamp, copy.model) == (stamp, self._model):
                records = [self._server.records(part.collection) for part in copy.parts]
                sizes = self._threads.map(lambda one: one.count(), records)
                if [part.size for part in copy.parts] == list(sizes):
                    return copy
        return None

    def _fail(self, reason: str) -> None:
        self._opened = None
        self._next_look = self._clock() + _REST_SECONDS
        self._suffer("asked", reason)

    def _suffer(self, trouble: Trouble, reason: str) -> None:
        if not self._troubles:
            self._announce(f"{reason} Vectors are searched exactly meanwhile.")
        self._troubles[trouble] = reason

    def _recover(self, *troubles: Trouble) -> None:
        ended = [trouble for trouble in troubles if self._troubles.pop(trouble, None)]
        if ended and not self._troubles:
            self._announce(f"{self._server} is in order again.")

    def _count(self, on_server: int, exact: int) -> None:
        with self._lock:
            now = self._counted
            self._counted = Searches(now.on_server + on_server, now.exact + exact)
