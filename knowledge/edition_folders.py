"""Editions in the folders of one machine.

index/live                  the name of the edition that answers, replaced in one step
index/NAME/edition.json     what an edition was made with, and beside which edition
index/NAME/catalog.sqlite   its catalog
index/NAME/vectors/         its vector index
index/NAME/lease            held by whoever has it open
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

from knowledge.catalog import Catalog
from knowledge.edition import MadeWith, StoredEdition
from knowledge.locking import Lease

LIVE = "live"
CHANGING = "editions.lock"
CATALOG = "catalog.sqlite"
VECTORS = "vectors"
ABOUT = "edition.json"
_REMOVED = "removed-"


class EditionFolders:
    """The editions in one folder, as `knowledge.edition.EditionStore`."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or made before a method needs it."""
        self._folder = folder
        self._changing = FileLock(folder / CHANGING)

    def __str__(self) -> str:
        return str(self._folder)

    def looked(self) -> tuple[int, int] | None:
        """See `EditionStore`; one stat(2)."""
        try:
            found = (self._folder / LIVE).stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def live(self) -> str:
        """See `EditionStore`."""
        return (self._folder / LIVE).read_text(encoding="utf-8").strip()

    def let_answer(self, name: str) -> None:
        """See `EditionStore`."""
        write_in_one_step(self._folder / LIVE, f"{name}\n")

    def create(self, made_with: MadeWith, beside: str) -> str:
        """See `EditionStore`."""
        return create(self._folder, made_with, beside)

    def names(self) -> list[str]:
        """See `EditionStore`."""
        folders = [path for path in sorted(self._folder.iterdir()) if path.is_dir()]
        return [path.name for path in folders if not path.name.startswith(_REMOVED)]

    def open(self, name: str) -> StoredEdition:
        """See `EditionStore`."""
        folder = self._folder / name
        lease = Lease(folder)
        try:
            made_with, beside = read_about(folder)
            began = (folder / ABOUT).stat().st_mtime
            catalog = Catalog(folder / CATALOG)
        except BaseException:
            lease.release()
            raise
        lock = FileLock(folder / "vectors.lock")
        return StoredEdition(name, made_with, beside, began, folder / VECTORS, catalog, lock, lease.release)

    def remove_unless_open(self, name: str) -> None:
        """See `EditionStore`."""
        folder = self._folder / name
        try:
            alone = Lease.alone(folder)
        except FileNotFoundError:
            return
        if alone is None:
            return
        removed = folder.rename(folder.with_name(f"{_REMOVED}{name}"))
        alone.release()
        shutil.rmtree(removed, ignore_errors=True)

    def remove_all_but(self, *kept: str) -> None:
        """See `EditionStore`."""
        for folder in self._folder.glob(f"{_REMOVED}*"):
            shutil.rmtree(folder, ignore_errors=True)
        for name in self.names():
            if name not in kept:
                self.remove_unless_open(name)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """See `EditionStore`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._changing:
            yield

    def close(self) -> None:
        """Nothing is open."""


def create(folder: Path, made_with: MadeWith, beside: str) -> str:
    """Make a new edition's folder; returns its name."""
    edition = folder / uuid4().hex[:12]
    edition.mkdir(parents=True)
    write_in_one_step(edition / ABOUT, json.dumps({**asdict(made_with), "beside": beside}))
    return edition.name


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
