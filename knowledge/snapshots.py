"""Snapshots of the vector index on disk, and the seal that says which one is whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

DATABASE = "chroma.sqlite3"
_SEAL = "seal.json"
_PREFIX = "snapshot-"


@dataclass(frozen=True, slots=True)
class Seal:
    """What `seal.json` says of the snapshot that it vouches for.

    `stamp` is the catalog's state that the snapshot holds, `audiences` those that occur in it, `size` its
    passages, `built` those it had when it was built from nothing, `churned` those deleted or overwritten
    since; `digests` are the SHA-256 of its HNSW files by path.
    """

    snapshot: str
    model: str
    chroma: str
    stamp: str
    audiences: tuple[int, ...]
    size: int
    built: int
    churned: int
    digests: dict[str, str]


def read_seal(folder: Path) -> Seal | None:
    """The seal of a folder of snapshots; None when there is none that can be read."""
    try:
        fields = json.loads((folder / _SEAL).read_text(encoding="utf-8"))
        return Seal(**{**fields, "audiences": tuple(fields["audiences"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_seal(folder: Path, seal: Seal) -> None:
    """Put a seal in the place of the one before, in one step."""
    new = folder / f"{_SEAL}.new"
    new.write_text(json.dumps(asdict(seal)), encoding="utf-8")
    to_disk(new)
    new.replace(folder / _SEAL)
    _flush(folder)


def break_seal(folder: Path) -> None:
    """Leave no snapshot to be believed."""
    (folder / _SEAL).unlink(missing_ok=True)


def new_snapshot(folder: Path) -> Path:
    """A path for a snapshot that never was."""
    return folder / f"{_PREFIX}{uuid4().hex}"


def remove_unsealed(folder: Path) -> None:
    """Remove every snapshot but the sealed one; a process that still has one open is not disturbed."""
    seal = read_seal(folder)
    for entry in folder.glob(f"{_PREFIX}*"):
        if seal is None or entry.name != seal.snapshot:
            shutil.rmtree(entry, ignore_errors=True)


def copy_snapshot(old: Path, new: Path) -> None:
    """Copy a closed snapshot, which other processes may have open for reading."""
    shutil.copytree(old, new, ignore=shutil.ignore_patterns(f"{DATABASE}*"))
    # A process that opens the snapshot writes a lock row there: only SQLite itself copies that safely.
    with closing(sqlite3.connect(old / DATABASE)) as source, closing(sqlite3.connect(new / DATABASE)) as copy:
        source.backup(copy)


def digests_of(snapshot: Path) -> dict[str, str]:
    """SHA-256 of the HNSW files. A segment without metadata holds nothing yet and is written when opened."""
    digests = {}
    for metadata in sorted(snapshot.glob("*/index_metadata.pickle")):
        for path in sorted(metadata.parent.iterdir()):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
            digests[f"{metadata.parent.name}/{path.name}"] = digest.hexdigest()
    return digests


def to_disk(path: Path) -> None:
    """Wait until a file, or a folder with all that is in it, is on the disk."""
    for entry in (path, *path.rglob("*")):
        _flush(entry)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
