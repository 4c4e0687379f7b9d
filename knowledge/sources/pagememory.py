"""What is remembered of the pages of a website between two runs."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS page (
    url TEXT PRIMARY KEY, version TEXT NOT NULL, etag TEXT NOT NULL, last_modified TEXT NOT NULL,
    content_type TEXT NOT NULL, indexed INTEGER NOT NULL, canonical TEXT, links TEXT NOT NULL, body BLOB
)
"""
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class RememberedPage:
    """A page as it was last seen: its validators (RFC 9110, section 8.8), and what it said of itself.

    `version` is a digest of its content, or the sitemap's date for it; `is_indexed` is False where the
    page, or its kind, leaves it out. `body` is there until it has been read once.
    """

    url: str
    version: str
    etag: str
    last_modified: str
    content_type: str
    is_indexed: bool
    canonical: str | None
    links: tuple[str, ...]
    body: bytes | None


class PageMemory:
    """Remembered pages in a SQLite file, by URL. A file that is damaged or of another format is made anew."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open()
        except sqlite3.DatabaseError:
            file.unlink(missing_ok=True)
            self._open()

    def get(self, url: str) -> RememberedPage | None:
        """Give a page, if it is remembered."""
        row = self._connection.execute("SELECT * FROM page WHERE url = ?", (url,)).fetchone()
        if row is None:
            return None
        url, version, etag, modified, kind, indexed, canonical, links, packed = row
        body = None if packed is None else zlib.decompress(packed)
        names = tuple(json.loads(links))
        return RememberedPage(url, version, etag, modified, kind, bool(indexed), canonical, names, body)

    def put(self, page: RememberedPage) -> None:
        """Remember a page in place of what was known of its URL."""
        body = None if page.body is None else zlib.compress(page.body, 1)
        row = (
            *(page.url, page.version, page.etag, page.last_modified, page.content_type, page.is_indexed),
            *(page.canonical, json.dumps(page.links), body),
        )
        self._connection.execute("INSERT OR REPLACE INTO page VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def drop_body(self, url: str) -> None:
        """Forget the content of a page and keep the rest."""
        self._connection.execute("UPDATE page SET body = NULL WHERE url = ?", (url,))

    def keep_only(self, urls: Iterable[str]) -> None:
        """Forget all other pages."""
        known = {url for (url,) in self._connection.execute("SELECT url FROM page")}
        gone = [(url,) for url in known.difference(urls)]
        self._connection.executemany("DELETE FROM page WHERE url = ?", gone)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _open(self) -> None:
        # Each statement is its own transaction, so that a killed run keeps what it has seen.
        self._connection = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            (found,) = self._connection.execute("PRAGMA user_version").fetchone()
            if found not in (0, _FORMAT):
                raise sqlite3.DatabaseError("another format")
            self._connection.execute(_SCHEMA)
            self._connection.execute(f"PRAGMA user_version = {_FORMAT}")
        except sqlite3.DatabaseError:
            self._connection.close()
            raise
