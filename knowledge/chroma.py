"""The vector index in embedded Chroma, as sealed snapshots that a killed process cannot damage."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge.chroma_records import CHURN, MISSES, fill, lost, remove, sample
from knowledge.reading import CatalogReader
from knowledge.snapshots import (
    DATABASE,
    Seal,
    break_seal,
    copy_snapshot,
    digests_of,
    new_snapshot,
    read_seal,
    remove_unsealed,
    to_disk,
    write_seal,
)
from knowledge.vectors import Announce, ExactVectors

_COLLECTION = "passages"


@dataclass(frozen=True, slots=True)
class _Opened:
    seal: Seal
    client: Any
    collection: Any


class ChromaVectors:
    """A `VectorIndex` in Chroma's `PersistentClient`, with the exact search as its stand-in.

    A killed writer can corrupt Chroma's HNSW files for good, and an open client never sees what another
    process writes. So no snapshot is changed once it is sealed: `catch_up` copies the sealed one (or builds
    from the catalog), brings the copy up to date, lets a sample of its passages find themselves, syncs it to
    disk and seals it by replacing `seal.json`; then the old one goes. A process that dies on the way leaves
    the old seal. Chroma answers only while the seal's stamp is the catalog's, and only readers who may see
    every audience in it; otherwise (a sync is running, the files are not those that were sealed, Chroma
    fails, a reader may not see all, the index is small) the exact search does.
    """

    def __init__(
        self, folder: Path, catalog: CatalogReader, model: str, announce: Announce, least: int = 0
    ) -> None:
        """See `knowledge.vectors.open_vectors`. No snapshot is kept of fewer than `least` passages."""
        self._folder = folder
        self._catalog = catalog
        self._model = model
        self._announce = announce
        self._least = least
        self._exact = ExactVectors(catalog, model)
        self._opened: _Opened | None = None
        self._lock = threading.Lock()

    def query(
        self, vector: NDArray[np.float32], limit: int, audiences: Sequence[int]
    ) -> list[tuple[int, float]]:
        """See `VectorIndex.query`; Chroma's own answer is approximate."""
        if limit <= 0 or not audiences:
            return []
        with self._lock:
            opened = self._current()
            # Chroma's filter is slow, and its graph can miss a few readable passages among many hidden ones.
            if opened is not None and set(opened.seal.audiences) <= set(audiences):
                try:
                    with _panics_raised():
                        return _query(opened, vector, limit)
                except Exception as error:
                    self._distrust(opened.seal, f"Chroma failed ({error})")
        return self._exact.query(vector, limit, audiences)

    def catch_up(self) -> None:
        """See `VectorIndex.catch_up`."""
        if self._catalog.passage_count() < self._least:
            self.discard()
            remove_unsealed(self._folder)
            return
        stamp = self._catalog.stamp()
        seal = read_seal(self._folder)
        if seal is not None and self._fits(seal) and seal.stamp == stamp:
            return
        sealed = None
        if seal is not None:
            try:
                with _panics_raised():
                    sealed = self._updated(seal, stamp)
            except Exception as error:
                self._announce(f"The vector index could not be brought up to date and is rebuilt: {error}")
        try:
            with _panics_raised():
                write_seal(self._folder, sealed or self._built(stamp))
        except Exception as error:
            self._announce(f"The vector index could not be written, exact search serves meanwhile: {error}")
        remove_unsealed(self._folder)

    def discard(self) -> None:
        """See `VectorIndex.discard`."""
        break_seal(self._folder)

    def retire(self) -> None:
        """Nothing is kept elsewhere."""

    def close(self) -> None:
        """Close the client and free the memory of the exact search."""
        with self._lock:
            self._release()
        self._exact.close()

    # Reading

    def _current(self) -> _Opened | None:
        """The snapshot that holds the catalog's present state, if there is one."""
        stamp = self._catalog.stamp()
        if self._opened is not None and self._opened.seal.stamp == stamp:
            return self._opened
        seal = read_seal(self._folder)
        if seal is None or not self._fits(seal) or seal.stamp != stamp:
            return None
        self._release()
        try:
            if self._intact(seal):
                with _panics_raised():
                    self._opened = _open(self._folder, seal)
                self._exact.discard()
                return self._opened
            self._distrust(seal, "its files are not those that were written")
        except Exception as error:
            self._distrust(seal, f"Chroma cannot open it ({error})")
        return None

    def _release(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.client.close()

    def _distrust(self, seal: Seal, reason: str) -> None:
        self._release()
        now = read_seal(self._folder)
        if now is not None and now.snapshot == seal.snapshot:  # not one that a sync has sealed meanwhile
            self.discard()
            self._announce(
                f"The vector index is not usable, {reason}: exact search serves until a sync rebuilds it."
            )

    # Writing

    def _updated(self, seal: Seal, stamp: str) -> Seal | None:
        """A copy of the sealed snapshot brought up to date; None when it should be built anew instead."""
        if not self._fits(seal):
            return None
        if not self._intact(seal):
            self._announce(
                "The vector index is damaged and is rebuilt from the catalog; nothing is embedded again."
            )
            return None
        ids, audiences = self._catalog.live(self._model)
        live = dict(zip(ids.tolist(), audiences.tolist(), strict=True))
        snapshot = new_snapshot(self._folder)
        copy_snapshot(self._folder / seal.snapshot, snapshot)
        with _writing(snapshot) as collection:
            held = _audience_by_id(collection)
            dead = [passage for passage in held if passage not in live]
            write = [passage for passage in live if held.get(passage) != live[passage]]
            churned = seal.churned + len(dead) + sum(passage in held for passage in write)
            if not dead and not write:
                return replace(seal, stamp=stamp)
            if churned > CHURN * max(seal.built, 1):
                return None
            new = np.array(write, dtype=np.int64)
            remove(collection, np.array(dead, dtype=np.int64))
            fill(collection, self._catalog, self._model, new, lambda passage: {"audience": live[passage]})
            if lost(collection, self._catalog, self._model, np.concatenate([sample(new), sample(ids)])):
                return None
            size = collection.count()
        return self._seal(snapshot, stamp, live, size, seal.built, churned)

    def _built(self, stamp: str) -> Seal:
        """A snapshot of everything that is live."""
        ids, audiences = self._catalog.live(self._model)
        live = dict(zip(ids.tolist(), audiences.tolist(), strict=True))
        snapshot = new_snapshot(self._folder)
        with _writing(snapshot) as collection:
            fill(collection, self._catalog, self._model, ids, lambda passage: {"audience": live[passage]})
            probes = sample(ids)
            missed = lost(collection, self._catalog, self._model, probes)
            if missed > MISSES * len(probes):
                raise RuntimeError(
                    f"{missed} of {len(probes)} passages do not find themselves in a fresh index"
                )
            # Fewer than `live` when another source's run has removed some meanwhile.
            size = collection.count()
        return self._seal(snapshot, stamp, live, size, size, 0)

    def _seal(
        self, snapshot: Path, stamp: str, live: dict[int, int], size: int, built: int, churned: int
    ) -> Seal:
        to_disk(snapshot)
        return Seal(
            snapshot=snapshot.name,
            model=self._model,
            chroma=version("chromadb"),
            stamp=stamp,
            audiences=tuple(sorted(set(live.values()))),
            size=size,
            built=built,
            churned=churned,
            digests=digests_of(snapshot),
        )

    def _fits(self, seal: Seal) -> bool:
        """Whether the snapshot is of this model and Chroma, and of an earlier state of this same catalog."""
        same = seal.model == self._model and seal.chroma == version("chromadb")
        return same and self._catalog.has_been(seal.stamp)

    def _intact(self, seal: Seal) -> bool:
        snapshot = self._folder / seal.snapshot
        # A small index has no HNSW files yet, and Chroma makes a database where there is none.
        return (snapshot / DATABASE).is_file() and digests_of(snapshot) == seal.digests


def _client(snapshot: Path) -> Any:
    import chromadb
    from chromadb.config import Settings

    return chromadb.PersistentClient(str(snapshot), settings=Settings(anonymized_telemetry=False))


@contextmanager
def _panics_raised() -> Iterator[None]:
    """Raise a panic of Chroma's Rust code as the error it is; PyO3 makes it a BaseException."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise RuntimeError(f"Chroma panicked, {error}") from error
        raise


@contextmanager
def _writing(snapshot: Path) -> Iterator[Any]:
    """The collection of a snapshot that is not sealed yet."""
    snapshot.mkdir(parents=True, exist_ok=True)
    client = _client(snapshot)
    try:
        yield client.get_or_create_collection(
            _COLLECTION, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
    finally:
        client.close()


def _open(folder: Path, seal: Seal) -> _Opened:
    """Open a sealed snapshot. Raises when it does not hold what the seal says."""
    client = _client(folder / seal.snapshot)
    try:
        collection = client.get_collection(_COLLECTION, embedding_function=None)
        held = collection.count()
        if held != seal.size:
            raise ValueError(f"it holds {held} passages of {seal.size}")
    except Exception:
        client.close()
        raise
    return _Opened(seal, client, collection)


def _query(opened: _Opened, vector: NDArray[np.float32], limit: int) -> list[tuple[int, float]]:
    found = opened.collection.query(query_embeddings=[vector], n_results=limit, include=["distances"])
    pairs = zip(found["ids"][0], found["distances"][0], strict=True)
    return sorted(((int(i), 1.0 - float(d)) for i, d in pairs), key=lambda pair: (-pair[1], pair[0]))


def _audience_by_id(collection: Any) -> dict[int, int]:
    everything = collection.get(include=["metadatas"])
    return {
        int(passage): int(metadata["audience"])
        for passage, metadata in zip(everything["ids"], everything["metadatas"], strict=True)
    }
