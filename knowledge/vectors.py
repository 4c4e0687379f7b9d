"""Search by meaning: the port, exact search over the catalog's embeddings, and which index to use."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from knowledge import arrays
from knowledge.arrays import Ids, Vectors
from knowledge.reading import CatalogReader
from knowledge.screen import Screen

if TYPE_CHECKING:
    from knowledge.chroma_http import ChromaServer

BATCH = 2000
_TRIED = 4

Announce = Callable[[str], None]


class VectorIndex(Protocol):
    """Finds passages by the cosine of their embedding with a question's.

    An index is derived from the catalog, which alone says what is live, so it can be thrown away at any time.
    """

    def query(
        self, vector: NDArray[np.float32], limit: int, audiences: Sequence[int]
    ) -> list[tuple[int, float]]:
        """At most `limit` live passages of these audiences as (passage id, cosine), best first.

        `vector` (dimensions,) has unit length. Equal cosines are ordered by passage id.
        """
        ...

    def catch_up(self) -> None:
        """Bring the index to the catalog's state; one at a time, over all processes. Embeds nothing.

        An index that cannot be brought there is announced, not raised: queries are answered all the same.
        """
        ...

    def discard(self) -> None:
        """Have the next `catch_up` build the index from nothing; not during one."""
        ...

    def retire(self) -> None:
        """Remove what the index keeps elsewhere than in its folder; queries are answered all the same."""
        ...

    def close(self) -> None:
        """Free what the index holds open."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    """All embeddings of one state of the catalog, one a row, in no order.

    `screened` are the places in `screen` of the first so many rows; those after them are newer than it.
    """

    stamp: str
    ids: Ids
    audiences: Ids
    vectors: Vectors
    screen: Screen | None
    screened: Ids


_NO_IDS = np.zeros(0, dtype=np.int64)
_NOTHING = _Held("0", _NO_IDS, _NO_IDS, np.zeros((0, 0), dtype=np.float32), None, _NO_IDS)


class ExactVectors:
    """Exact search: every embedding in memory (100,000 x 384: 3 ms a question on one thread, 232 MB).

    Of a large index only those embeddings are multiplied whose upper bound (see `Screen`) reaches the last
    cosine that is asked for, as in the threshold algorithm (Fagin, Lotem, Naor 2003,
    https://doi.org/10.1016/S0022-0000(03)00026-6). It follows the catalog by itself, and after a change reads
    only embeddings that it does not hold yet.
    """

    def __init__(self, catalog: CatalogReader, model: str, unscreened: int = 10_000) -> None:
        """`model` is the embedder's identity, under which the catalog keeps its embeddings.

        Fewer than `unscreened` embeddings, of all or since the last screen was made, are always multiplied.
        """
        self._catalog = catalog
        self._model = model
        self._unscreened = unscreened
        self._held: _Held | None = None
        self._lock = threading.Lock()

    def query(
        self, vector: NDArray[np.float32], limit: int, audiences: Sequence[int]
    ) -> list[tuple[int, float]]:
        """See `VectorIndex.query`."""
        held = self._current()
        readable = arrays.among(held.audiences, audiences)
        count = int(np.count_nonzero(readable))
        found, tried = min(limit, count), min(_TRIED * limit, count)
        if found <= 0:
            return []
        bounds = _bounds(held, vector)
        bounds[~readable] = -np.inf
        promising = np.argpartition(bounds, -tried)[-tried:]
        least = np.partition(_cosines(held.vectors, promising, vector), -found)[-found]
        # All that equal the last cosine stay in, so that the tie is broken by id.
        rows = np.flatnonzero(bounds >= least)
        cosines = _cosines(held.vectors, rows, vector)
        order = np.lexsort((held.ids[rows], -cosines))[:found]
        return [(int(held.ids[rows[place]]), float(cosines[place])) for place in order]

    def catch_up(self) -> None:
        """Nothing to do: every query looks at the catalog."""

    def discard(self) -> None:
        """Let go of the embeddings."""
        with self._lock:
            self._held = None

    def retire(self) -> None:
        """Nothing is kept elsewhere."""

    def close(self) -> None:
        """Let go of the embeddings."""
        self.discard()

    def _current(self) -> _Held:
        with self._lock, self._catalog.snapshot() as connection:
            stamp = arrays.stamp(connection)
            if self._held is None or self._held.stamp != stamp:
                self._held = self._refreshed(connection, self._held, stamp)
            return self._held

    def _refreshed(self, connection: Connection, held: _Held | None, stamp: str) -> _Held:
        if held is None or not self._catalog.has_been(held.stamp):
            held = _NOTHING
        live, audiences = arrays.audiences_of_passages(connection)
        kept = np.isin(held.ids, live)
        new = np.setdiff1d(live, held.ids)
        rows = int(kept.sum())
        # Filled in place: two copies of a large index are enough.
        ids = np.empty(rows + len(new), dtype=np.int64)
        vectors = np.empty((len(ids), arrays.dimensions(connection, self._model)), dtype=np.float32)
        np.compress(kept, held.ids, out=ids[:rows])
        if rows:
            np.compress(kept, held.vectors, axis=0, out=vectors[:rows])
        for some in batches(new):
            # A passage that this model has not embedded is not among them.
            found, embedded = arrays.vectors_of(connection, self._model, some)
            place = slice(rows, rows + len(found))
            ids[place] = found
            vectors[place] = embedded.reshape(len(found), vectors.shape[1])
            rows += len(found)
        ids = ids[:rows]
        screened = held.screened[kept[: len(held.screened)]]
        return _Held(
            stamp,
            ids,
            audiences[np.searchsorted(live, ids)],
            vectors[:rows],
            *self._screened(vectors[:rows], held.screen, screened),
        )

    def _screened(self, vectors: Vectors, screen: Screen | None, screened: Ids) -> tuple[Screen | None, Ids]:
        """The same screen, or another one where too many rows are not in it, or too much else is."""
        if len(vectors) < self._unscreened:
            return None, _NO_IDS
        if screen and len(vectors) - len(screened) < self._unscreened and len(screened) > len(screen) // 2:
            return screen, screened
        return Screen(vectors), np.arange(len(vectors))


def _bounds(held: _Held, vector: Vectors) -> Vectors:
    """For every row its cosine, or what it is at most."""
    count = len(held.screened)
    bounds = np.empty(len(held.ids), dtype=np.float32)
    np.vecdot(held.vectors[count:], vector, out=bounds[count:])
    if held.screen:
        bounds[:count] = held.screen(vector)[held.screened]
    return bounds


def _cosines(vectors: Vectors, rows: Ids, vector: Vectors) -> Vectors:
    """Those of some rows; equal rows have equal ones, which a product of matrices does not promise."""
    return np.concatenate([np.vecdot(vectors[some], vector) for some in batches(rows)])


def batches(ids: Ids, size: int = BATCH) -> Iterator[Ids]:
    """Pieces of at most `size`."""
    return (ids[start : start + size] for start in range(0, len(ids), size))


def open_vectors(
    folder: Path,
    catalog: CatalogReader,
    model: str,
    announce: Announce,
    chroma_from: int,
    server: ChromaServer | None = None,
) -> VectorIndex:
    """The vector index to use: exact search, and from `chroma_from` passages on Chroma in `folder`.

    With a `server` the vectors are there, of however many passages, under the name of the folder above.

    Exact search takes 6 ms and 464 MB for 200,000 x 384, misses nothing, and needs no upkeep; without
    chromadb it is used for any number. `model` is the embedder's identity. `announce` gets one line whenever
    the index is damaged or rebuilt. Nothing is opened before the first query or `catch_up`; one index a
    process is enough for all threads.
    """
    if server is not None:
        from knowledge.chroma_server import ServerVectors

        return ServerVectors(server, folder.parent.name, catalog, model, announce)
    if importlib.util.find_spec("chromadb") is None:
        announce("chromadb is not installed: vectors are searched exactly, in memory.")
        return ExactVectors(catalog, model)
    from knowledge.chroma import ChromaVectors

    return ChromaVectors(folder, catalog, model, announce, chroma_from)
