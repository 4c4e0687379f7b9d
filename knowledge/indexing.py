"""The documents of one sync run: which are due, what becomes of each, how groups are published."""

from __future__ import annotations

import errno
import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from knowledge.catalog import Catalog
from knowledge.conversion import CONVERSION_VERSION
from knowledge.documents import (
    KnowledgeError,
    Listed,
    MarkdownDocument,
    Passage,
    RawDocument,
    Source,
    VanishedError,
)
from knowledge.lines import line_numbers
from knowledge.records import DocumentFailure, DocumentVersion, KnownDocument

_GROUP_DOCUMENTS = 32
_GROUP_PASSAGES = 512
_GROUP_SECONDS = 5.0
_EMBED_AT_ONCE = 256

Convert = Callable[[RawDocument], MarkdownDocument]


class Embeds(Protocol):
    """What a sync needs of an embedder."""

    @property
    def identity(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors (n, dimensions), one a text."""
        ...


class Chunks(Protocol):
    """What a sync needs of a chunker."""

    @property
    def fingerprint(self) -> str: ...

    def split(self, document: MarkdownDocument) -> tuple[Passage, ...]: ...

    def embedding_text(self, title: str, passage: Passage) -> str: ...


@dataclass(frozen=True, slots=True)
class SyncFailure:
    """A document that could not be indexed, and why; the source's name where it is not about one document."""

    uri: str
    error: str


@dataclass(slots=True)
class _Group:
    """Documents that are embedded and published together."""

    versions: list[DocumentVersion] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    failures: list[DocumentFailure] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def is_full(self) -> bool:
        return (
            len(self.versions) + len(self.marks) + len(self.failures) >= _GROUP_DOCUMENTS
            or len(self.texts) >= _GROUP_PASSAGES
            or time.monotonic() - self.began >= _GROUP_SECONDS
        )


class DocumentsRun:
    """Takes the documents of one run, one by one, and tells what became of them.

    Memory is bounded by one group: 32 documents, or as many as make 512 passages.
    """

    def __init__(
        self,
        catalog: Catalog,
        answering: Catalog | None,
        embedder: Embeds,
        chunker: Chunks,
        convert: Convert,
        source: Source,
        trusted: Mapping[str, KnownDocument],
        cancelled: threading.Event,
    ) -> None:
        """`trusted` are the documents that need no work while their version stays.

        `answering` is the catalog that answers while `catalog` is built beside it: embeddings are taken over
        from there, and what is gone from the source goes there too.
        """
        self._catalog = catalog
        self._answering = answering
        self._embedder = embedder
        self._chunker = chunker
        self._convert = convert
        self._source = source
        self._answering_known = answering.known(source.name) if answering else {}
        self._known = self._answering_known | catalog.known(source.name)
        self._trusted = trusted
        self._cancelled = cancelled
        self._fingerprint = f"{chunker.fingerprint} {embedder.identity}"
        self._group = _Group()
        self.added: list[str] = []
        self.changed: list[str] = []
        self.removed: list[str] = []
        self.failed: list[SyncFailure] = []
        self.unchanged = 0
        self.still_failing = 0
        self.passages_embedded = 0

    def remove_gone(self, listing: Mapping[str, Listed], may_remove: Callable[[int, int], bool]) -> bool:
        """Remove what a complete listing does not hold; False if so much may not be removed and is kept."""
        gone = sorted(self._known.keys() - listing.keys())
        whole = may_remove(len(gone), len(self._known))
        if not whole:
            text = (
                f"{len(gone)} of {len(self._known)} documents are gone from source '{self._source.name}': "
                "they are kept in case the listing is wrong. Check the source, or confirm the deletions."
            )
            self.failed.append(SyncFailure(self._source.name, text))
            gone = []
        self._catalog.publish(self._source.name, self._source.audience, (), gone)
        if self._answering:
            theirs = [uri for uri in gone if uri in self._answering_known]
            self._answering.publish(self._source.name, self._source.audience, (), theirs)
        self.removed += gone
        failing = {failure.uri for failure in self._catalog.failures(self._source.name)}
        self._catalog.forget_failures(self._source.name, sorted(failing - listing.keys()))
        return whole

    def due(self, listing: Mapping[str, Listed], failing: Mapping[str, str]) -> list[str]:
        """Uris that must be read; `failing` are versions that are known to fail, by uri."""
        self._note_unreadable(listing)
        due = []
        recovered = []
        for uri, listed in listing.items():
            known, version = self._trusted.get(uri), listed.version
            if failing.get(uri) == _tried(version):
                self.still_failing += 1
            elif listed.unreadable:
                self.failed.append(SyncFailure(uri, listed.unreadable))
            elif known and known.version == version and known.fingerprint == self._fingerprint:
                self.unchanged += 1
                if uri in failing:
                    recovered.append(uri)
            else:
                due.append(uri)
        self._catalog.forget_failures(self._source.name, recovered)
        return due

    def _note_unreadable(self, listing: Mapping[str, Listed]) -> None:
        """Keep what the listing says of each, which may change while its version stays and nobody is told."""
        told = {
            (uri, _tried(listed.version), listed.unreadable)
            for uri, listed in listing.items()
            if listed.unreadable
        }
        if told:
            told.difference_update(
                (f.uri, f.version, f.error) for f in self._catalog.failures(self._source.name)
            )
            failures = [DocumentFailure(*each, datetime.now(UTC)) for each in sorted(told)]
            self._catalog.add_failures(self._source.name, failures)

    def take(self, uri: str, version: str) -> None:
        """Read one document and put it into the group in hand, which is published when it is full."""
        try:
            raw = self._source.read(uri)
        except VanishedError:
            if uri in self._known:
                self._group.removed.append(uri)
        except Exception as error:
            # No version: what could not be read is tried in every run (a permission, a server that was down).
            self._fail(uri, "", error)
        else:
            self._take_read(raw, uri, version)
        if self._group.is_full():
            self.flush()

    def _take_read(self, raw: RawDocument, uri: str, version: str) -> None:
        content_hash = _content_hash(raw)
        known = self._trusted.get(uri)
        same = known and (known.content_hash, known.fingerprint) == (content_hash, self._fingerprint)
        if same:
            self._group.marks[uri] = version
            return
        try:
            document = self._convert(raw)
            passages = self._chunker.split(document)
            lines = line_numbers(raw, document.markdown, passages)
            texts = [self._chunker.embedding_text(document.title, passage) for passage in passages]
            hashes = tuple(hashlib.sha256(text.encode()).hexdigest() for text in texts)
        except Exception as error:
            self._fail(uri, _tried(version), error)
            if not raw.content.strip() and uri in self._known:
                self._group.removed.append(uri)  # emptied by its owner: the old text is no longer said
            return
        self._group.texts.update(zip(hashes, texts, strict=True))
        self._group.versions.append(
            DocumentVersion(
                uri=uri,
                title=document.title,
                url=raw.url,
                version=version,
                content_hash=content_hash,
                fingerprint=self._fingerprint,
                modified_at=raw.modified_at,
                passages=tuple(map(_at_line, passages, lines)),
                text_hashes=hashes,
                line_anchor=raw.line_anchor,
            )
        )

    def flush(self) -> None:
        """Embed and publish the group in hand, or drop it when the run is cancelled meanwhile."""
        group, self._group = self._group, _Group()
        if not self._embed(group.texts):
            return
        name = self._source.name
        self._catalog.publish(name, self._source.audience, group.versions, group.removed)
        self._catalog.mark(name, group.marks)
        self._catalog.add_failures(name, group.failures)
        self.removed += group.removed
        self.failed += [SyncFailure(failure.uri, failure.error) for failure in group.failures]
        self.unchanged += len(group.marks)
        for version in group.versions:
            before = self._known.get(version.uri)
            if before is None:
                self.added.append(version.uri)
            elif (before.content_hash, before.fingerprint) != (version.content_hash, version.fingerprint):
                self.changed.append(version.uri)
            else:
                self.unchanged += 1

    def _embed(self, texts: Mapping[str, str]) -> bool:
        """Embed what is new among these texts (by hash); False when the run is cancelled meanwhile."""
        model = self._embedder.identity
        missing = self._catalog.without_embedding(model, texts.keys())
        if self._answering and missing:
            hashes, vectors = self._answering.embeddings(model, missing)
            self._catalog.add_embeddings(model, hashes, vectors)
            missing.difference_update(hashes)
        # In the order of the documents, kept batch by batch: a huge document need not start over either.
        ordered = [text_hash for text_hash in texts if text_hash in missing]
        for start in range(0, len(ordered), _EMBED_AT_ONCE):
            hashes = ordered[start : start + _EMBED_AT_ONCE]
            if self._cancelled.is_set():
                return False
            vectors = self._embedder.embed([texts[text_hash] for text_hash in hashes])
            self._catalog.add_embeddings(model, hashes, vectors)
            self.passages_embedded += len(hashes)
        return not self._cancelled.is_set()

    def _fail(self, uri: str, version: str, error: Exception) -> None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise error
        said = isinstance(error, KnowledgeError)
        text = str(error) if said else f"{uri} cannot be indexed ({type(error).__name__}: {error})."
        self._group.failures.append(DocumentFailure(uri, version, text, datetime.now(UTC)))


def _tried(version: str) -> str:
    """The version as it is remembered with a failure: other converters may not fail."""
    return f"{CONVERSION_VERSION} {version}"


def _at_line(passage: Passage, line: int | None) -> Passage:
    return replace(passage, line=line)


def _content_hash(raw: RawDocument) -> str:
    digest = hashlib.sha256()
    for part in (raw.name, raw.url or ""):
        digest.update(part.encode(errors="surrogatepass") + b"\0")
    digest.update(raw.content)
    return digest.hexdigest()
