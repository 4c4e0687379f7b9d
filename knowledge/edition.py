"""One edition of the index: what it was made with, its catalog, its vector index; and where editions are."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from knowledge.catalog import Catalog
from knowledge.vectors import Announce, VectorIndex

OpenIndex = Callable[[Path, Catalog, str, Announce], VectorIndex]


@dataclass(frozen=True, slots=True)
class MadeWith:
    """What passages and embeddings come from.

    `chunker` is the chunker's fingerprint, `embedder` the embedder's identity, and `model` the name under
    which the settings find that embedder.
    """

    chunker: str
    embedder: str
    model: str

    @property
    def fingerprint(self) -> str:
        """Equal for settings that make the same passages and embeddings."""
        return f"{self.chunker} {self.embedder}"


NOTHING = MadeWith("", "", "")


@dataclass(frozen=True, slots=True)
class StoredEdition:
    """An edition as a store has opened it.

    `beside` names the edition beside which it was begun, `began` says when in seconds since 1970. `folder` is
    for its vector index on this machine, which is changed in `turn`, one process at a time. `release` lets go
    of the edition, which stays until then.
    """

    name: str
    made_with: MadeWith
    beside: str
    began: float
    folder: Path
    catalog: Catalog
    turn: AbstractContextManager[object]
    release: Callable[[], None]


class EditionStore(Protocol):
    """Where editions are kept, and which of them answers. The methods block; str() names it for people."""

    def looked(self) -> Hashable:
        """Something that is another whenever another edition answers; None when none does. Quick."""
        ...

    def live(self) -> str:
        """The name of the edition that answers. Raises `FileNotFoundError` when none does."""
        ...

    def let_answer(self, name: str) -> None:
        """Have an edition answer, in one step."""
        ...

    def create(self, made_with: MadeWith, beside: str) -> str:
        """Begin an edition; returns its name."""
        ...

    def names(self) -> list[str]:
        """Every edition that is kept."""
        ...

    def open(self, name: str) -> StoredEdition:
        """Open an edition. Raises `FileNotFoundError` when there is none of that name."""
        ...

    def remove_unless_open(self, name: str) -> None:
        """Remove an edition, unless some process has it open."""
        ...

    def remove_all_but(self, *kept: str) -> None:
        """Remove all others that no process has open, and what is left of such that were removed before."""
        ...

    def changing(self) -> AbstractContextManager[None]:
        """Nobody else, of any process, is in such a block; this thread may be in several."""
        ...

    def close(self) -> None:
        """Close what the store itself has open."""
        ...


class Edition:
    """One open edition, which stays for as long as it is open anywhere; `users` count its blocks."""

    def __init__(self, stored: StoredEdition, announce: Announce, open_index: OpenIndex) -> None:
        self.name = stored.name
        self.made_with = stored.made_with
        self.beside = stored.beside
        self.began = stored.began
        self.folder = stored.folder
        self.catalog = stored.catalog
        self.vectors = open_index(stored.folder, stored.catalog, stored.made_with.embedder, announce)
        self.users = 0
        self._turn = stored.turn
        self._release = stored.release

    def catch_up(self) -> None:
        """Bring the vector index to the catalog's state, after whoever else is doing that."""
        with self._turn:
            self.vectors.catch_up()

    def discard(self) -> None:
        """Have the next `catch_up` build the vector index from nothing."""
        with self._turn:
            self.vectors.discard()

    def retire(self) -> None:
        """Let go of what the vector index keeps elsewhere, for another edition takes over."""
        with self._turn:
            self.vectors.retire()

    def close(self) -> None:
        """Close what is open and let go of the edition."""
        self.vectors.close()
        self.catalog.close()
        self._release()
