"""Search by meaning: the port, exact search over the catalog's embeddings, and which index to use."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from knowledge.reading import CatalogReader, Ids, Vectors

BATCH = 2000

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
        """Bring the index to the catalog's state; only for the holder of the sync lock. Embeds nothing.

        An index that cannot be brought there is announced, not raised: queries are answered all the same.
        """
        ...

    def discard(self) -> None:
        """Have the next `catch_up` build the index from nothing; only for the holder of the sync lock."""
        ...

    def close(self) -> None:
        """Free what the index holds open."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    """All embeddings of one state of the catalog; rows are ordered by passage id."""

    stamp: str
    ids: Ids
    audiences: Ids
    vectors: Vectors


class ExactVectors:
    """Exact search: every embedding in memory, one matrix product a question (100,000 x 384: 7 ms, 154 MB).

    It follows the catalog by itself, and after a change reads only embeddings that it does not hold yet.
    """

    def __init__(self, catalog: CatalogReader, model: str) -> None:
        """`model` is the embedder's identity, under which the catalog keeps its embeddings."""
        self._catalog = catalog
        self._model = model
        self._held: _Held | None = None
        self._lock = threading.Lock()

    def query(
        self, vector: NDArray[np.float32], limit: int, audiences: Sequence[int]
    ) -> list[tuple[int, float]]:
        """See `VectorIndex.query`."""
        held = self._current()
        readable = np.isin(held.audiences, np.asarray(audiences, dtype=np.int64))
        found = min(limit, int(readable.sum()))
        if found <= 0:
            return []
        cosines = np.where(readable, held.vectors @ vector, -np.inf)
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
        with self._lock:
            stamp = self._catalog.stamp()
            if self._held is None or self._held.stamp != stamp:
                self._held = self._refreshed(self._held, stamp)
            return self._held

    def _refreshed(self, held: _Held | None, stamp: str) -> _Held:
        ids, audiences = self._catalog.live(self._model)
        trusted = held is not None and self._catalog.has_been(held.stamp)
        kept_ids, kept = (held.ids, held.vectors) if held and trusted else (ids[:0], None)
        new = [self._catalog.vectors_of(self._model, some) for some in batches(np.setdiff1d(ids, kept_ids))]
        held_ids = np.concatenate([kept_ids, *(found for found, _ in new)])
        matrices = [matrix for matrix in (kept, *(vectors for _, vectors in new)) if matrix is not None]
        matrices = [matrix for matrix in matrices if len(matrix)]
        # A passage that died between the two readings is in neither list.
        live = np.isin(ids, held_ids)
        ids, audiences = ids[live], audiences[live]
        by_id = np.argsort(held_ids)
        rows = by_id[np.searchsorted(held_ids, ids, sorter=by_id)]
        vectors = np.concatenate(matrices)[rows] if matrices else np.zeros((0, 1), dtype=np.float32)
        return _Held(stamp, ids, audiences, vectors)


def batches(ids: Ids, size: int = BATCH) -> Iterator[Ids]:
    """Pieces of at most `size`."""
    return (ids[start : start + size] for start in range(0, len(ids), size))


def open_vectors(folder: Path, catalog: CatalogReader, model: str, announce: Announce) -> VectorIndex:
    """The vector index to use: Chroma in `folder`, or exact search where chromadb is not installed.

    `model` is the embedder's identity. `announce` gets one line whenever the index is damaged or rebuilt.
    Nothing is opened before the first query or `catch_up`; one index a process is enough for all threads.
    """
    if importlib.util.find_spec("chromadb") is None:
        announce("chromadb is not installed: vectors are searched exactly, in memory.")
        return ExactVectors(catalog, model)
    from knowledge.chroma import ChromaVectors

    return ChromaVectors(folder, catalog, model, announce)
