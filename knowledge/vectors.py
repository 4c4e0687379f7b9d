"""Search by meaning: the port, exact search over the catalog's embeddings, and which index to use."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection
from threadpoolctl import ThreadpoolController

from knowledge import arrays
from knowledge.arrays import Ids, Vectors
from knowledge.reading import CatalogReader

BATCH = 2000
_DIVIDED = 10_000

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

    def close(self) -> None:
        """Free what the index holds open."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    """All embeddings of one state of the catalog, one a row, in no order."""

    stamp: str
    ids: Ids
    audiences: Ids
    vectors: Vectors


_NO_IDS = np.zeros(0, dtype=np.int64)
_NOTHING = _Held("0", _NO_IDS, _NO_IDS, np.zeros((0, 0), dtype=np.float32))


class ExactVectors:
    """Exact search: every embedding in memory, one product a question (100,000 x 384: 7 ms, 154 MB).

    It follows the catalog by itself, and after a change reads only embeddings that it does not hold yet.
    """

    def __init__(self, catalog: CatalogReader, model: str) -> None:
        """`model` is the embedder's identity, under which the catalog keeps its embeddings."""
        self._catalog = catalog
        self._model = model
        self._held: _Held | None = None
        self._lock = threading.Lock()
        self._product = _Product()

    def query(
        self, vector: NDArray[np.float32], limit: int, audiences: Sequence[int]
    ) -> list[tuple[int, float]]:
        """See `VectorIndex.query`."""
        held = self._current()
        readable = arrays.among(held.audiences, audiences)
        found = min(limit, int(np.count_nonzero(readable)))
        if found <= 0:
            return []
        cosines = self._product(held.vectors, vector)
        cosines[~readable] = -np.inf
        # All that equal the last cosine stay in, so that the tie is broken by id.
        nearest = np.flatnonzero(cosines >= np.partition(cosines, -found)[-found])
        order = nearest[np.lexsort((held.ids[nearest], -cosines[nearest]))][:found]
        return [(int(held.ids[row]), float(cosines[row])) for row in order]

    def catch_up(self) -> None:
        """Nothing to do: every query looks at the catalog."""

    def discard(self) -> None:
        """Let go of the embeddings."""
        with self._lock:
            self._held = None

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
        return _Held(stamp, ids, audiences[np.searchsorted(live, ids)], vectors[:rows])


class _Product:
    """Matrix times vector on two threads.

    OpenBLAS divides it too, but its threads then wait for more at full speed: three times the CPU time.
    """

    def __init__(self) -> None:
        self._blas = ThreadpoolController()
        self._pool = ThreadPoolExecutor(1, "product")

    def __call__(self, matrix: Vectors, vector: Vectors) -> Vectors:
        product = np.empty(len(matrix), dtype=np.float32)
        half = len(matrix) // 2
        with self._blas.limit(limits=1, user_api="blas"):
            if len(matrix) < _DIVIDED:
                return np.matmul(matrix, vector, out=product)
            first = self._pool.submit(np.matmul, matrix[:half], vector, out=product[:half])
            np.matmul(matrix[half:], vector, out=product[half:])
            first.result()
        return product


def batches(ids: Ids, size: int = BATCH) -> Iterator[Ids]:
    """Pieces of at most `size`."""
    return (ids[start : start + size] for start in range(0, len(ids), size))


def open_vectors(
    folder: Path, catalog: CatalogReader, model: str, announce: Announce, chroma_from: int
) -> VectorIndex:
    """The vector index to use: exact search, and from `chroma_from` passages on Chroma in `folder`.

    Exact search takes 14 ms and 307 MB for 200,000 x 384, misses nothing, and needs no upkeep; without
    chromadb it is used for any number. `model` is the embedder's identity. `announce` gets one line whenever
    the index is damaged or rebuilt. Nothing is opened before the first query or `catch_up`; one index a
    process is enough for all threads.
    """
    if importlib.util.find_spec("chromadb") is None:
        announce("chromadb is not installed: vectors are searched exactly, in memory.")
        return ExactVectors(catalog, model)
    from knowledge.chroma import ChromaVectors

    return ChromaVectors(folder, catalog, model, announce, chroma_from)
