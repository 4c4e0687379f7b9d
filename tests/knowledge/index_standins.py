"""Small deterministic parts for tests of the index: word embeddings, paragraphs, a source in memory."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from knowledge.documents import (
    EVERYONE,
    KnowledgeError,
    Listed,
    MarkdownDocument,
    Passage,
    RawDocument,
    UnreadableError,
    VanishedError,
)


@cache
def _direction(word: str, dimensions: int) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(word.encode())).normal(size=dimensions)


class WordEmbedder:
    """A text's vector is the sum of one random direction a word: texts that share words are near."""

    def __init__(self, identity: str = "words-1", dimensions: int = 64) -> None:
        self.identity = identity
        self.dimensions = dimensions
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
    listing_fails_after: int | None = None

    def put(self, uri: str, text: str, version: str | None = None) -> None:
        before = int(self.documents[uri][0]) if uri in self.documents else 0
        self.documents[uri] = (version or str(before + 1), text.encode())

    def list(self) -> Iterator[Listed]:
        for place, (uri, (version, _)) in enumerate(self.documents.items()):
            if place == self.listing_fails_after:
                raise KnowledgeError("The share is not mounted.")
            yield Listed(uri, version)

    def read(self, uri: str) -> RawDocument:
        self.reads.append(uri)
        if uri in self.vanishing:
            raise VanishedError(f"{uri} is gone.")
        if uri in self.unreadable:
            raise UnreadableError(f"{uri} may not be read.")
        return RawDocument(uri, uri, self.documents[uri][1])
