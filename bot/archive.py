"""The file that a backup is: a compressed tar whose first member says what the others must be.

manifest.json                           see `Manifest`
journal.sqlite                          the journal, unless it is kept in Postgres
schedule.sqlite                         which source is due when, and which is paused
index/edition.json, catalog.sqlite      the edition of the index that answered
adapters/...                            the adapters that were installed, and what was measured
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    NonNegativeInt,
    StringConstraints,
    ValidationError,
)

from adapters.files import sha256_file

MANIFEST = "manifest.json"
JOURNAL = "journal.sqlite"
SCHEDULE = "schedule.sqlite"
EDITION = "index/edition.json"
CATALOG = "index/catalog.sqlite"
ADAPTERS = "adapters"

NEEDED = (SCHEDULE, EDITION, CATALOG)

_FIXED = frozenset({JOURNAL, SCHEDULE, EDITION, CATALOG})
_MOST_MANIFEST_BYTES = 64_000_000
_BLOCK = 1 << 20

# Told how many more bytes are done, of how many.
OnBytes = Callable[[int, int], None]


class BackupError(Exception):
    """A backup cannot be made or used; the message is one line with the reason and the fix."""


class BackupCancelledError(Exception):
    """Somebody asked to stop; nothing was changed."""


class Member(BaseModel):
    """A file in a backup."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    size: NonNegativeInt


class Manifest(BaseModel):
    """What a backup holds. `journal` is the revision of its schema, None when the journal is elsewhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["lorebot-backup"] = "lorebot-backup"
    format_version: Literal[1] = 1
    lorebot: str
    made_at: AwareDatetime
    journal: str | None
    catalog_schema: int
    documents: NonNegativeInt
    passages: NonNegativeInt
    adapters: tuple[str, ...]
    members: dict[str, Member]

    @property
    def size(self) -> int:
        """Bytes of all members."""
        return sum(member.size for member in self.members.values())


def measure(folder: Path, cancelled: threading.Event) -> dict[str, Member]:
    """What the manifest says of each file below a folder. Raises `BackupError` for a name that cannot be."""
    members = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        _stop_if(cancelled)
        name = path.relative_to(folder).as_posix()
        if not _has_a_place(name):
            raise BackupError(f"{name!r} has a name that no backup can hold: rename the file.")
        members[name] = Member(sha256=sha256_file(path), size=path.stat().st_size)
    return members


def write_archive(
    file: Path, manifest: Manifest, folder: Path, on_bytes: OnBytes, cancelled: threading.Event
) -> None:
    """Write the files below `folder` into a backup that is whole or not there, readable by its owner alone.

    Raises `OSError`, and `BackupCancelledError`.
    """
    partial = file.with_name(f".{file.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with _created(partial) as raw:
            with tarfile.open(fileobj=raw, mode="w:gz") as archive:
                about = manifest.model_dump_json(indent=1).encode()
                archive.addfile(_entry(MANIFEST, len(about), manifest), io.BytesIO(about))
                for name, member in manifest.members.items():
                    with (folder / name).open("rb") as content:
                        counted = _Counted(content, lambda n: on_bytes(n, manifest.size), cancelled)
                        archive.addfile(_entry(name, member.size, manifest), counted)
            raw.flush()
            os.fsync(raw.fileno())
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    flush_folder(file.parent)


def read_manifest(file: Path) -> Manifest:
    """What a backup says it holds. Raises `BackupError`."""
    with _opened(file) as archive:
        return _manifest(file, archive)


def unpack(file: Path, folder: Path, on_bytes: OnBytes, cancelled: threading.Event) -> Manifest:
    """Write a backup's members below an empty folder: each as the manifest says, and nothing else.

    Raises `BackupError` when anything in it is otherwise, and `BackupCancelledError`.
    """
    with _opened(file) as archive:
        manifest = _manifest(file, archive)
        missing = set(manifest.members)
        while (entry := archive.next()) is not None:
            expected = manifest.members.get(entry.name)
            if expected is None or entry.name not in missing or not entry.isreg():
                raise _damaged(file, f"{entry.name!r} has no place in it")
            content = archive.extractfile(entry)
            assert content is not None  # a regular file has content
            target = folder / entry.name
            target.parent.mkdir(parents=True, exist_ok=True)
            counted = _Counted(content, lambda n: on_bytes(n, manifest.size), cancelled)
            if not _write(counted, target, expected):
                raise _damaged(file, f"{entry.name} is not what it was when the backup was made")
            missing.remove(entry.name)
    if missing:
        raise _damaged(file, f"{min(missing)} is missing")
    return manifest


def flush_folder(folder: Path) -> None:
    """Put the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Counted(io.RawIOBase):
    """A file of which is told how much is read, and which stops when somebody asks for that."""

    def __init__(
        self, content: IO[bytes], on_bytes: Callable[[int], None], cancelled: threading.Event
    ) -> None:
        self._content = content
        self._on_bytes = on_bytes
        self._cancelled = cancelled

    def read(self, size: int = -1) -> bytes:
        _stop_if(self._cancelled)
        block = self._content.read(size)
        self._on_bytes(len(block))
        return block


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file, "r|gz") as archive:
            yield archive
    except (tarfile.TarError, EOFError, ValueError, UnicodeError) as error:
        raise _damaged(file, str(error) or "it ends too early") from error
    except OSError as error:
        if error.errno is None:  # gzip's own
            raise _damaged(file, str(error)) from error
        raise


def _manifest(file: Path, archive: tarfile.TarFile) -> Manifest:
    first = archive.next()
    if first is None or first.name != MANIFEST or not first.isreg() or first.size > _MOST_MANIFEST_BYTES:
        raise BackupError(f"{file} is no backup of Lorebot: name a file that `lorebot backup` made.")
    content = archive.extractfile(first)
    assert content is not None  # a regular file has content
    try:
        manifest = Manifest.model_validate_json(content.read())
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise BackupError(
            f"{file} cannot be read (its manifest: '{where}': {fault['msg']}): it is damaged, or a newer "
            "Lorebot made it; use that one, or another backup."
        ) from error
    for name in manifest.members:
        if not _has_a_place(name):
            raise _damaged(file, f"{name!r} has no place in it")
    for name in (*NEEDED, *((JOURNAL,) if manifest.journal is not None else ())):
        if name not in manifest.members:
            raise _damaged(file, f"{name} is missing")
    return manifest


def _has_a_place(name: str) -> bool:
    """Whether a member may have this name, which never leads out of the folder it is unpacked into."""
    first, *parts = name.split("/")
    if not name.isprintable() or "\\" in name:
        return False
    return name in _FIXED or (first == ADAPTERS and bool(parts) and not {"", ".", ".."}.intersection(parts))


def _write(content: _Counted, target: Path, expected: Member) -> bool:
    """Write a member; whether it was what it had to be."""
    digest, size = hashlib.sha256(), 0
    with _created(target) as out:
        while block := content.read(_BLOCK):
            size += len(block)
            if size > expected.size:
                return False
            digest.update(block)
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    return size == expected.size and digest.hexdigest() == expected.sha256


def _entry(name: str, size: int, manifest: Manifest) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(manifest.made_at.timestamp())
    return entry


def _created(path: Path) -> IO[bytes]:
    """A new file that its owner alone may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _stop_if(cancelled: threading.Event) -> None:
    if cancelled.is_set():
        raise BackupCancelledError


def _damaged(file: Path, reason: str) -> BackupError:
    return BackupError(f"{file} is damaged ({reason}): nothing was restored; use another backup.")
