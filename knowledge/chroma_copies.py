"""Copies of an index on a Chroma server: what is noted of each, and which of its collections are left over.

lorebot-EDITION-BUILD               the note of one copy; no records
lorebot-EDITION-BUILD-AUDIENCE-PART the embeddings of the passages that one audience may read

An audience has collections of its own because that is how Chroma keeps to it quickly: a search through one
graph with a `where` reads the metadata of all that it lets through, so it takes longer the more that is.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection as Several
from dataclasses import asdict, dataclass
from uuid import uuid4

from knowledge.chroma_http import ChromaServer, Collection

_NOTE = "lorebot"
_NAME = re.compile(r"lorebot-(?P<edition>.+)-[0-9a-f]{8}(?P<part>-\d+-[0-9a-f]{4})?")
_ABANDONED_SECONDS = 14 * 86_400.0


@dataclass(frozen=True, slots=True)
class Part:
    """The collection of one audience.

    It holds `size` passages, whose ids have this `digest`; `built` were there when it was made, `churned`
    were deleted since.
    """

    audience: int
    collection: str
    size: int
    built: int
    churned: int
    digest: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the index: what the note of it says.

    `stamp` is the catalog's state that it holds once it is `whole`; until then it is brought there by
    `writer`, a word that nobody else has. `touched` is when somebody last looked after it (Unix time).
    """

    identity: str
    name: str
    model: str
    stamp: str
    whole: bool
    writer: str
    touched: float
    parts: tuple[Part, ...]


class Copies:
    """The copies of one edition of an index. Every method raises `ChromaServerError`."""

    def __init__(self, server: ChromaServer, edition: str) -> None:
        self._server = server
        self._edition = edition

    def found(self) -> tuple[Copy, ...]:
        """Those that are on the server, of whichever catalog: a backup put back elsewhere has copies too."""
        theirs = (c for c in self._server.collections() if _edition_of(c.name) == self._edition)
        return tuple(copy for collection in theirs if (copy := _read(collection)))

    def begin(self, model: str, stamp: str) -> Copy:
        """A new copy, without parts."""
        name = f"lorebot-{self._edition}-{uuid4().hex[:8]}"
        copy = Copy("", name, model, stamp, False, uuid4().hex, time.time(), ())
        made = self._server.create(name, _noted(copy))
        return _read(made) or copy

    def note(self, copy: Copy) -> None:
        """Have the server say this of a copy from now on."""
        self._server.note(copy.identity, _noted(copy))

    def begin_part(self, copy: Copy, audience: int) -> str:
        """A new collection for an audience; returns its identity."""
        name = f"{copy.name}-{audience}-{uuid4().hex[:4]}"
        return self._server.create(name, {"audience": audience}).identity

    def remove(self, copy: Copy) -> None:
        """Remove a copy, its note first: what a killed process leaves of it is nobody's, and swept."""
        self._server.drop(copy.name)
        for collection in self._server.collections():
            if collection.name.startswith(f"{copy.name}-"):
                self._server.drop(collection.name)

    def sweep(self, kept: Copy, superseded: Several[str]) -> None:
        """Remove what nobody needs: these copies, parts without one, and copies without a home.

        A home is taken to be gone when nobody has looked after its copy for two weeks.
        """
        collections = self._server.collections()
        names = {collection.name for collection in collections}
        used = {part.collection for part in kept.parts}
        gone = {*superseded, *filter(None, map(_abandoned, collections))} - {kept.name}
        for collection in collections:
            match = _NAME.fullmatch(collection.name)
            if match is None:
                continue
            owner = collection.name.removesuffix(match["part"] or "")
            is_stray = owner == kept.name and bool(match["part"]) and collection.identity not in used
            # Asked for again: a list that is read in pages may leave out one while others go.
            if owner in gone or is_stray or (owner not in names and not self._server.has(owner)):
                self._server.drop(collection.name)


def _abandoned(collection: Collection) -> str:
    """The name of a copy that nobody looks after, else ""."""
    copy = _read(collection)
    return copy.name if copy and time.time() - copy.touched > _ABANDONED_SECONDS else ""


def _edition_of(name: str) -> str:
    match = _NAME.fullmatch(name)
    return match["edition"] if match else ""


def _noted(copy: Copy) -> dict[str, str]:
    fields = asdict(copy)
    del fields["identity"], fields["name"]
    return {_NOTE: json.dumps(fields)}


def _read(collection: Collection) -> Copy | None:
    """The copy of which a collection is the note; None when it is something else."""
    try:
        fields = json.loads(collection.metadata[_NOTE])
        parts = tuple(Part(**part) for part in fields.pop("parts"))
        return Copy(identity=collection.identity, name=collection.name, parts=parts, **fields)
    except (KeyError, ValueError, TypeError):
        return None
