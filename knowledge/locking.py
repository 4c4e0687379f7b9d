"""Locks over all processes that share an index; a killed holder's lock is free."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

from filelock import FileLock, Timeout
from sqlalchemy import Engine

from knowledge.documents import KnowledgeError
from knowledge.postgres import SessionLock, holder_of, lock_key

# Long enough to outlast a look at whether the lock is held.
_AT_ONCE_SECONDS = 0.2


class SyncBusyError(KnowledgeError):
    """The source is being synced; the message names the process and since when."""


class SyncLocks(Protocol):
    """Lets one run of a source at a time work, over all processes that share an index."""

    def holding(self, source: str) -> AbstractContextManager[Callable[[], bool]]:
        """Hold the lock of a source for the block, or raise `SyncBusyError` at once.

        What is yielded tells whether it still is held, and may ask a database for that.
        """
        ...

    def is_held(self, source: str) -> bool:
        """Whether somebody, in this process or another, holds the lock of a source."""
        ...


class FileLocks:
    """Of one machine: files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def holding(self, source: str) -> Iterator[Callable[[], bool]]:
        """See `SyncLocks`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # Beside the lock file: taking a lock truncates its file.
        note = self._folder / f"{source}.holder"
        lock = _lock_of(self._folder, source)
        try:
            lock.acquire(timeout=_AT_ONCE_SECONDS)
        except Timeout:
            raise _busy(source, _holder(note)) from None
        try:
            since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
            note.write_text(json.dumps({"pid": os.getpid(), "since": since}), encoding="utf-8")
            yield lambda: True
        finally:
            note.unlink(missing_ok=True)
            lock.release()

    def is_held(self, source: str) -> bool:
        """See `SyncLocks`."""
        return is_locked(self._folder, source)


class DatabaseLocks:
    """Of all machines that share a Postgres database: advisory locks, each on a connection of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def holding(self, source: str) -> Iterator[Callable[[], bool]]:
        """See `SyncLocks`. The lock ends with its connection, and may then be another's."""
        key = lock_key("source", source)
        lock = SessionLock.try_to_take(self._engine, key)
        if lock is None:
            raise _busy(source, self._holder(key) or "it has just ended")
        try:
            yield lock.is_held
        finally:
            lock.release()

    def is_held(self, source: str) -> bool:
        """See `SyncLocks`."""
        return self._holder(lock_key("source", source)) is not None

    def _holder(self, key: int) -> str | None:
        with self._engine.connect() as connection:
            return holder_of(connection, key)


def is_locked(folder: Path, source: str) -> bool:
    """Whether somebody, in this process or another, holds the lock of that name in a folder."""
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


def _busy(source: str, holder: str) -> SyncBusyError:
    return SyncBusyError(f"Another sync of '{source}' is running ({holder}): wait until it ends.")


def _lock_of(folder: Path, source: str) -> FileLock:
    return FileLock(folder / f"{source}.lock")


def _holder(note: Path) -> str:
    try:
        holder = json.loads(note.read_text(encoding="utf-8"))
        return f"pid {holder['pid']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it began just now"
