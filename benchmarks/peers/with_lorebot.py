"""Lorebot itself, put together as the program does: the same steps as its peers."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from benchmarks.peers import system
from bot.assembly import Assembly
from bot.settings import ModelSettings, Settings
from bot.source_settings import FolderSettings
from knowledge.documents import EVERYONE, Passage, Reader
from knowledge.records import DocumentVersion, StoredPassage
from knowledge.sync_report import SyncOptions

_SOURCE = "files"
_AUDIENCE = frozenset({EVERYONE})
_READER = Reader((_AUDIENCE,))
_DOCUMENTS_AT_ONCE = 200


class Lorebot:
    """See `benchmarks.peers.system.System`."""

    def __init__(self, state: Path, model: Path) -> None:
        self._state = state
        self._models = ModelSettings(embedding=str(model))
        self._assembly = self._assembled(state)
        # Made ready before anything is timed, as the model of the others is.
        self._embedder, self._chunker = self._assembly.embedder, self._assembly.chunker
        self._embedder.embed(["ready"])

    def sync(self, documents: Path) -> None:
        self._assembly = self._assembled(documents)
        self._assembly.embedder, self._assembly.chunker = self._embedder, self._chunker
        self._assembly.synchronizer.sync(
            self._assembly.sources[_SOURCE],
            on_progress=lambda progress: None,
            cancelled=threading.Event(),
            options=SyncOptions(),
        )

    def fill(self, passages: Iterable[system.Passage]) -> None:
        catalog, model = self._assembly.catalog, self._embedder.identity
        documents = groupby(passages, key=lambda passage: passage.uri)
        while group := [(uri, list(parts)) for uri, parts in islice(documents, _DOCUMENTS_AT_ONCE)]:
            versions = [_version(uri, parts) for uri, parts in group]
            for version, (_, parts) in zip(versions, group, strict=True):
                vectors = np.array([part.vector for part in parts], dtype=np.float32)
                catalog.add_embeddings(model, version.text_hashes, vectors)
            catalog.publish(_SOURCE, _AUDIENCE, versions)

    def open(self) -> None:
        self._assembly.search.find("ready", _READER, 1)
        self._assembly.search.prefetch()

    def search(self, question: str) -> list[system.Span]:
        found = self._assembly.search.find(question, _READER, system.LIMIT)
        catalog = self._assembly.catalog
        readable = catalog.readable_audiences(_READER)
        stored = catalog.passages([passage.passage_id for passage in found], readable)
        return [_span(stored[passage.passage_id]) for passage in found if passage.passage_id in stored]

    def spans(self) -> list[system.Span]:
        catalog = self._assembly.catalog
        uris = [document.uri for document in catalog.documents(_SOURCE)]
        return [_span(passage) for uri in uris for passage in catalog.passages_of(_SOURCE, uri)]

    def _assembled(self, documents: Path) -> Assembly:
        source = FolderSettings(name=_SOURCE, kind="folder", path=documents)
        settings = Settings(home=self._state / "home", sources=(source,), models=self._models)
        return Assembly(settings, print, models=self._state.parent / "models")


def _version(uri: str, parts: list[system.Passage]) -> DocumentVersion:
    hashes = tuple(hashlib.sha256(f"{uri}\n{part.text}".encode()).hexdigest() for part in parts)
    passages = tuple(Passage(part.heading, part.text, 0, len(part.text)) for part in parts)
    return DocumentVersion(uri, uri, None, "1", "1", "1", None, passages, hashes)


def _span(passage: StoredPassage) -> system.Span:
    return system.Span(passage.uri, passage.start, passage.end)


if __name__ == "__main__":
    system.run(Lorebot)
