"""What the catalog keeps and gives back, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from knowledge.documents import Passage

# How a run ended, or that it has not. What a run failed of stands behind "failed: ".
RUNNING = "running"
INTERRUPTED = "interrupted"
COMPLETE = "complete"
CANCELLED = "cancelled"
PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """A document as it is to be published; `text_hashes` stand beside `passages`, one for each.

    `fingerprint` names the chunker and the embedder that made the passages; `line_anchor` is that of
    `RawDocument`.
    """

    uri: str
    title: str
    url: str | None
    version: str
    content_hash: str
    fingerprint: str
    modified_at: datetime | None
    passages: tuple[Passage, ...]
    text_hashes: tuple[str, ...]
    line_anchor: str | None = None


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """What a sync compares a listing with."""

    version: str
    content_hash: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A live document, as an admin looks at it; `passages` is their number, `audience` who may read it."""

    source: str
    uri: str
    title: str
    url: str | None
    version: str
    modified_at: datetime | None
    indexed_at: datetime
    passages: int
    audience: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A live passage with what a citation needs of its document; `url` leads to its line where it can."""

    passage_id: int
    source: str
    uri: str
    url: str | None
    title: str
    heading: str
    text: str
    ordinal: int
    start: int
    end: int
    version: str
    indexed_at: datetime
    modified_at: datetime | None


@dataclass(frozen=True, slots=True)
class DocumentFailure:
    """A document that could not be indexed, and the version at which it was tried."""

    uri: str
    version: str
    error: str
    failed_at: datetime


@dataclass(frozen=True, slots=True)
class ForgottenDocument:
    """A document that is kept out of the index, whether its source lists it or not, and since when."""

    source: str
    uri: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SyncRecord:
    """One run of a sync; `finished_at` is None while it runs."""

    source: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is indexed; `by_source` holds (documents, passages) of each source."""

    documents: int
    passages: int
    by_source: Mapping[str, tuple[int, int]] = field(default_factory=dict)
