"""One sync at a time, over all processes that share an index."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from knowledge.documents import KnowledgeError


class SyncBusyError(KnowledgeError):
    """Another sync holds the lock; the message names its process and since when."""


@contextmanager
def sync_lock(lock_file: Path) -> Iterator[None]:
    """Hold the lock for the block, or raise `SyncBusyError` at once. A killed holder's lock is free."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    # Beside the lock file: taking a lock truncates its file.
    note = lock_file.with_name(f"{lock_file.name}.holder")
    lock = FileLock(lock_file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SyncBusyError(f"Another sync is running ({_holder(note)}): wait until it ends.") from None
    try:
        since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
        note.write_text(json.dumps({"pid": os.getpid(), "since": since}), encoding="utf-8")
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _holder(note: Path) -> str:
    try:
        holder = json.loads(note.read_text(encoding="utf-8"))
        return f"pid {holder['pid']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it began just now"
