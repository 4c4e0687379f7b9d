"""SQLite files in which sources remember between two runs what can be had again."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def open_memory(file: Path, schema: str, version: int) -> sqlite3.Connection:
    """Open a file, each statement its own transaction, so that a killed run keeps what it has seen.

    `schema` creates the tables where they are missing; `version` is its number. A file that is damaged or
    of another version is made anew.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _opened(file, schema, version)
    except sqlite3.DatabaseError:
        for path in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
            path.unlink(missing_ok=True)
        return _opened(file, schema, version)


def _opened(file: Path, schema: str, version: int) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        (damage,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found not in (0, version) or damage != "ok":
            raise sqlite3.DatabaseError("another version, or damaged")
        connection.executescript(schema)
        connection.execute(f"PRAGMA user_version = {version}")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection
