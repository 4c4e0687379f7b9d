"""The vocabulary of the knowledge wing: what a source lists, what a document is, what a passage is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

EVERYONE = "everyone"

# Held by every reader, of the team or not: what is for `public` is for `everyone` too.
PUBLIC = "public"


class KnowledgeError(Exception):
    """Something about sources, documents or the index that a person must know; the message is one line."""


class PartialListingError(KnowledgeError):
    """What a source has listed stands, but there may be more: nothing may be deleted for not being listed."""


class UnreadableError(KnowledgeError):
    """One document cannot be read; the message says why in a person's words. The sync goes on."""


class VanishedError(KnowledgeError):
    """A listed document was gone when it was to be read; the next listing will not hold it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a source's listing, cheap to make.

    `uri` is unique within the source; `version` changes whenever the content may have changed (an mtime
    with the size, an ETag, a revision). `unreadable` says why this is no document, or not one that can be
    read: a person is told once, and again when the version changes, and nothing is read.
    """

    uri: str
    version: str
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class RawDocument:
    """The bytes of one document as the source gave them.

    `name` carries the file extension that tells the format. `url` is where a person can open the
    document, if anywhere, and `line_anchor` what leads to a line of it there, with `{line}` for its number.
    `modified_at` is the source's own date for the content, if it has one.
    """

    uri: str
    name: str
    content: bytes
    url: str | None = None
    modified_at: datetime | None = None
    line_anchor: str | None = None


class Source(Protocol):
    """A place where a team keeps documents, under a name of the admin's choosing."""

    @property
    def name(self) -> str: ...

    @property
    def audience(self) -> frozenset[str]:
        """Principals who may read these documents; `everyone` opens them to the team, `public` to all."""
        ...

    def list(self) -> Iterator[Listed | None]:
        """Yield every document of the source, and None now and then where the next one takes long to find.

        A run can be cancelled at each. Raises `KnowledgeError` when there is no listing, and
        `PartialListingError`, after all that could be listed, when something may be missing in it.
        """
        ...

    def read(self, uri: str) -> RawDocument:
        """Read one listed document. Raises `UnreadableError` or `VanishedError`."""
        ...


@dataclass(frozen=True, slots=True)
class MarkdownDocument:
    """A document converted to Markdown with its title."""

    title: str
    markdown: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that fits the embedder.

    `heading` is the path of headings above it, joined by " > " without the document's title (empty at the
    top); `start` and `end` are character offsets of `text` in the document's Markdown. `line` is that of the
    original file on which it begins, counted from 1, where that is known.
    """

    heading: str
    text: str
    start: int
    end: int
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom a search is made: one set of principals for each group of people who will read the result.

    A document may be used only when its audience meets *every* set: the asker's own, and that of the place
    where the answer is posted.
    """

    principal_sets: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage as a search returns it. Ranks count from 1; None means that the search did not find it.

    `dense_score` is the cosine with the question, `lexical_score` the BM25 score (higher is better, 0 when
    not found), `score` the fused score that orders the result.
    """

    passage_id: int
    source: str
    uri: str
    url: str | None
    title: str
    heading: str
    text: str
    version: str
    indexed_at: datetime
    modified_at: datetime | None
    dense_rank: int | None
    lexical_rank: int | None
    dense_score: float
    lexical_score: float
    score: float
