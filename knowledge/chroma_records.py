"""The records of a Chroma collection, embedded or on a server: put there from the catalog, and tried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from knowledge.arrays import Ids, Vectors
from knowledge.reading import CatalogReader
from knowledge.vectors import batches

BATCH = 250
CHURN = 0.3
MISSES = 0.01
_PROBES = 500
_SAME = 1e-4


class Records(Protocol):
    """What is asked of a collection; an id is a passage's, as text."""

    def upsert(
        self, *, ids: Sequence[str], embeddings: Vectors, metadatas: Sequence[Mapping[str, int]]
    ) -> None: ...

    def delete(self, *, ids: Sequence[str]) -> None: ...

    def query(self, *, query_embeddings: Vectors, n_results: int, include: Sequence[str]) -> Any: ...

    def count(self) -> int: ...


def fill(
    records: Records, catalog: CatalogReader, model: str, ids: Ids, about: Callable[[int], Mapping[str, int]]
) -> Ids:
    """Put these passages there with their embeddings and `about` each; returns those that are still live."""
    written = []
    for some in batches(np.sort(ids), BATCH):
        found, vectors = catalog.vectors_of(model, some)
        if len(found):
            records.upsert(
                ids=[str(passage) for passage in found],
                embeddings=vectors,
                metadatas=[about(int(passage)) for passage in found],
            )
        written.append(found)
    return np.concatenate([np.zeros(0, dtype=np.int64), *written])


def remove(records: Records, ids: Ids) -> None:
    """Take these passages away."""
    for some in batches(ids, BATCH):
        records.delete(ids=[str(passage) for passage in some])


def lost(records: Records, catalog: CatalogReader, model: str, ids: Ids) -> int:
    """How many of these passages find neither themselves nor one that has the same embedding."""
    missed = 0
    for some in batches(np.unique(ids), BATCH):
        found, vectors = catalog.vectors_of(model, some)
        if not len(found):
            continue
        told = records.query(query_embeddings=vectors, n_results=1, include=["distances"])
        nearest = [int(near[0]) if near else -1 for near in told["ids"]]
        equal = _equal(catalog, model, vectors, nearest)
        for passage, near, distances, same in zip(found, nearest, told["distances"], equal, strict=True):
            is_near = bool(distances) and distances[0] <= _SAME
            missed += not (near == passage or (is_near and same))
    return missed


def _equal(catalog: CatalogReader, model: str, vectors: Vectors, ids: Sequence[int]) -> list[bool]:
    """For each vector, whether the catalog has about the same one for the passage beside it."""
    found, theirs = catalog.vectors_of(model, sorted({*ids}))
    of = dict(zip(found.tolist(), theirs, strict=True))
    return [i in of and float(of[i] @ vector) >= 1 - _SAME for i, vector in zip(ids, vectors, strict=True)]


def sample(ids: Ids, most: int = _PROBES) -> Ids:
    """At most `most` of these, evenly spread."""
    return ids[np.linspace(0, len(ids) - 1, min(len(ids), most)).astype(int)] if len(ids) else ids
