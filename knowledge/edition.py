"""One edition of the index: its folder, what it was made with, its catalog and its vector index.

edition.json     what it was made with, and beside which edition
catalog.sqlite   its catalog
vectors/         its vector index
lease            held by whoever has it open
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

from knowledge.catalog import Catalog
from knowledge.locking import Lease
from knowledge.vectors import Announce, VectorIndex

CATALOG = "catalog.sqlite"
VECTORS = "vectors"
ABOUT = "edition.json"
REMOVED = "removed-"

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


class Edition:
    """One open edition, whose folder stays for as long as it is open anywhere; `users` count its blocks."""

    def __init__(self, folder: Path, announce: Announce, open_index: OpenIndex) -> None:
        """Raises `FileNotFoundError` when the folder is gone or holds no edition."""
        self.folder = folder
        self.name = folder.name
        self._lease = Lease(folder)
        try:
            self.made_with, self.beside = read_about(folder)
            self.catalog = Catalog(folder / CATALOG)
        except BaseException:
            self._lease.release()
            raise
        self.vectors = open_index(folder / VECTORS, self.catalog, self.made_with.embedder, announce)
        self.users = 0

    def catch_up(self) -> None:
        """Bring the vector index to the catalog's state, after whoever else is doing that."""
        with FileLock(self.folder / "vectors.lock"):
            self.vectors.catch_up()

    def discard(self) -> None:
        """Have the next `catch_up` build the vector index from nothing."""
        with FileLock(self.folder / "vectors.lock"):
            self.vectors.discard()

    def close(self) -> None:
        """Close what is open and let go of the folder."""
        self.vectors.close()
        self.catalog.close()
        self._lease.release()


def create(folder: Path, made_with: MadeWith, beside: str) -> str:
    """Make a new edition's folder; returns its name."""
    edition = folder / uuid4().hex[:12]
    edition.mkdir(parents=True)
    write_in_one_step(edition / ABOUT, json.dumps({**asdict(made_with), "beside": beside}))
    return edition.name


def remove_unless_open(folder: Path) -> None:
    """Remove an edition, unless somebody has it open."""
    if not folder.name.startswith(REMOVED):
        try:
            alone = Lease.alone(folder)
        except FileNotFoundError:
            return
        if alone is None:
            return
        folder = folder.rename(folder.with_name(f"{REMOVED}{folder.name}"))
        alone.release()
    shutil.rmtree(folder, ignore_errors=True)


def read_about(folder: Path) -> tuple[MadeWith, str]:
    """What an edition was made with and beside which. Raises `FileNotFoundError` when it is none."""
    try:
        fields = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        beside = fields.pop("beside")
        return MadeWith(**fields), beside
    except (ValueError, TypeError, KeyError, NotADirectoryError) as error:
        raise FileNotFoundError(folder / ABOUT) from error


def write_in_one_step(path: Path, text: str) -> None:
    """Write a small file so that it is whole or not there, whenever the process or the machine dies."""
    new = path.with_name(f"{path.name}.new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
