"""Locks over all processes that share an index; a killed holder's lock is free."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from knowledge.documents import KnowledgeError

# Long enough to outlast a look at whether the lock is held.
_AT_ONCE_SECONDS = 0.2


class SyncBusyError(KnowledgeError):
    """The source is being synced; the message names the process and since when."""


@contextmanager
def source_lock(folder: Path, source: str) -> Iterator[None]:
    """Hold the lock of a source for the block, or raise `SyncBusyError` at once."""
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the lock file: taking a lock truncates its file.
    note = folder / f"{source}.holder"
    lock = _lock_of(folder, source)
    try:
        lock.acquire(timeout=_AT_ONCE_SECONDS)
    except Timeout:
        text = f"Another sync of '{source}' is running ({_holder(note)}): wait until it ends."
        raise SyncBusyError(text) from None
    try:
        since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
        note.write_text(json.dumps({"pid": os.getpid(), "since": since}), encoding="utf-8")
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def is_locked(folder: Path, source: str) -> bool:
    """Whether somebody, in this process or another, holds the lock of a source."""
    lock = _lock_of(folder, source)
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True


class Lease:
    """A folder in use: many may hold it, and only what nobody holds is removed.

    An advisory lock on a file in the folder (flock(2)), which ends with its holder.
    """

    def __init__(self, folder: Path) -> None:
        """Raises `FileNotFoundError` when the folder is gone."""
        import fcntl

        path = folder / "lease"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)
            if not os.path.samestat(os.fstat(self._descriptor), path.stat()):
                raise FileNotFoundError(path)
        except BaseException:
            os.close(self._descriptor)
            raise

    @classmethod
    def alone(cls, folder: Path) -> Self | None:
        """A lease that nobody else has, nor gets before it is let go of; None when somebody has one."""
        import fcntl

        lease = cls(folder)
        try:
            fcntl.flock(lease._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lease.release()
            return None
        return lease

    def release(self) -> None:
        """Let go of the folder; a second time does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _lock_of(folder: Path, source: str) -> FileLock:
    return FileLock(folder / f"{source}.lock")


def _holder(note: Path) -> str:
    try:
        holder = json.loads(note.read_text(encoding="utf-8"))
        return f"pid {holder['pid']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it began just now"
