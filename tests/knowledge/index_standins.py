"""Small deterministic parts for tests of the index: word embeddings, paragraphs, a source in memory."""

from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from knowledge.catalog import Catalog
from knowledge.catalog_database import Place
from knowledge.chroma import ChromaVectors
from knowledge.documents import (
    EVERYONE,
    KnowledgeError,
    Listed,
    MarkdownDocument,
    Passage,
    RawDocument,
    Reader,
    UnreadableError,
    VanishedError,
)
from knowledge.edition import EditionStore, OpenIndex
from knowledge.edition_folders import EditionFolders
from knowledge.editions import Editions
from knowledge.locking import FileLocks, SyncLocks
from knowledge.snapshots import Seal, read_seal
from knowledge.sync import Synchronizer
from knowledge.sync_report import SyncOptions, SyncProgress, SyncReport
from knowledge.vectors import VectorIndex


@cache
def _direction(word: str, dimensions: int) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(word.encode())).normal(size=dimensions)


class WordEmbedder:
    """A text's vector is the sum of one random direction a word: texts that share words are near."""

    def __init__(self, identity: str = "words-1", dimensions: int = 64) -> None:
        self.identity = identity
        self.dimensions = dimensions
        self.tokenizer_file = Path("no-tokenizer.json")
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.embedded += texts
        sums = [
            sum(
                (_direction(word, self.dimensions) for word in re.findall(r"\w+", text.lower())),
                np.zeros(self.dimensions),
            )
            for text in texts
        ]
        matrix = np.array(sums).reshape(len(texts), self.dimensions)
        return (matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)).astype(np.float32)


class ParagraphChunker:
    """A passage a paragraph, under the heading above it."""

    def __init__(self, fingerprint: str = "paragraphs-1") -> None:
        self.fingerprint = fingerprint

    def split(self, document: MarkdownDocument) -> tuple[Passage, ...]:
        passages, heading = [], ""
        for match in re.finditer(r"\S.*?(?=\n\s*\n|\Z)", document.markdown, re.DOTALL):
            if match[0].startswith("#"):
                heading = match[0].lstrip("# ")
            else:
                passages.append(Passage(heading, match[0], match.start(), match.end()))
        return tuple(passages)

    def embedding_text(self, title: str, passage: Passage) -> str:
        return f"{title}\n{passage.heading}\n{passage.text}"


def to_markdown(raw: RawDocument) -> MarkdownDocument:
    """Plain decoding; a document that starts with "%broken" cannot be converted."""
    text = raw.content.decode()
    if text.startswith("%broken") or not text.strip():
        raise UnreadableError(f"{raw.name} is broken.")
    return MarkdownDocument(raw.name, text)


@dataclass
class MemorySource:
    """A source whose documents the test holds in its hands; the version is a count of puts."""

    name: str = "handbook"
    audience: frozenset[str] = frozenset({EVERYONE})
    documents: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    vanishing: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    kinds: dict[str, str] = field(default_factory=dict)
    listing_fails_after: int | None = None

    def put(self, uri: str, text: str, version: str | None = None) -> None:
        before = int(self.documents[uri][0]) if uri in self.documents else 0
        self.documents[uri] = (version or str(before + 1), text.encode())

    def list(self) -> Iterator[Listed]:
        for place, (uri, (version, _)) in enumerate(self.documents.items()):
            if place == self.listing_fails_after:
                raise KnowledgeError("The share is not mounted.")
            yield Listed(uri, version)
        for kind, why in self.kinds.items():
            yield Listed(kind, "kind", why)

    def read(self, uri: str) -> RawDocument:
        self.reads.append(uri)
        if uri in self.vanishing:
            raise VanishedError(f"{uri} is gone.")
        if uri in self.unreadable:
            raise UnreadableError(f"{uri} may not be read.")
        return RawDocument(uri, uri, self.documents[uri][1])


def many(count: int) -> MemorySource:
    source = MemorySource()
    for n in range(count):
        source.put(f"{n:04}.md", f"Document number {n}.\n\nIts code is c{n}.")
    return source


class Index:
    """One index with its parts in reach of the test."""

    def __init__(
        self,
        home: Path,
        embedder: WordEmbedder | None = None,
        chunker: ParagraphChunker | None = None,
        open_index: OpenIndex = ChromaVectors,
        store: EditionStore | None = None,
        locks: SyncLocks | None = None,
    ) -> None:
        """Without a store and locks they are files of the home."""
        self.home = home
        self.embedder = embedder or WordEmbedder()
        self.said: list[str] = []
        self.editions = Editions(store or EditionFolders(home / "index"), self.said.append, open_index)
        self.synchronizer = Synchronizer(
            self.editions,
            self.embedder,
            chunker or ParagraphChunker(),
            to_markdown,
            locks or FileLocks(home / "locks"),
            "",
            ("handbook", "drive"),
        )

    @property
    def catalog(self) -> Catalog:
        return self.editions.live().catalog

    @property
    def vectors(self) -> VectorIndex:
        return self.editions.live().vectors

    @property
    def seal(self) -> Seal | None:
        return read_seal(self.editions.live().folder)

    def sync(
        self,
        source: MemorySource,
        cancelled: threading.Event | None = None,
        on_progress: Callable[[SyncProgress], None] = lambda _: None,
        **options: object,
    ) -> SyncReport:
        self.embedder.embedded.clear()
        source.reads.clear()
        return self.synchronizer.sync(
            source,
            on_progress=on_progress,
            cancelled=cancelled or threading.Event(),
            options=SyncOptions(**options),
        )

    def rebuild(self, source: MemorySource) -> SyncReport:
        self.embedder.embedded.clear()
        source.reads.clear()
        return self.synchronizer.rebuild(source, on_progress=lambda _: None, cancelled=threading.Event())

    def texts(self, *principals: str) -> list[str]:
        """The texts of all live passages that find themselves in the vector index."""
        readers = Reader((frozenset(principals or ("everyone",)),))
        audiences = self.catalog.readable_audiences(readers)
        ids, _ = self.catalog.live(self.embedder.identity)
        stored = self.catalog.unfiltered_passages(ids)
        found = []
        for passage in stored.values():
            vector = self.embedder.embed([f"{passage.title}\n{passage.heading}\n{passage.text}"])[0]
            del self.embedder.embedded[-1]
            near = [i for i, score in self.vectors.query(vector, 5, audiences) if score > 0.999]
            if passage.passage_id in near:
                found.append(passage.text)
        return sorted(found)


def first_text(place: Place) -> str:
    """The text of a catalog's first passage; for a process that knows nothing but where the catalog is."""
    with Catalog(place) as catalog:
        return catalog.unfiltered_passages([1])[1].text
