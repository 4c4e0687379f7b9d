"""What is remembered of the pages of a website between two runs."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from knowledge.sources.memoryfile import open_memory

_SCHEMA = """
CREATE TABLE IF NOT EXISTS page (
    url TEXT PRIMARY KEY, version TEXT NOT NULL, etag TEXT NOT NULL, last_modified TEXT NOT NULL,
    content_type TEXT NOT NULL, indexed INTEGER NOT NULL, canonical TEXT, links TEXT NOT NULL,
    loaded_at REAL NOT NULL, body BLOB
)
"""
_FORMAT = 2


@dataclass(frozen=True, slots=True)
class RememberedPage:
    """A page as it was last seen: its validators (RFC 9110, section 8.8), and what it said of itself.

    `version` is a digest of its content, or the sitemap's date for it; `is_indexed` is False where the
    page, or its kind, leaves it out. `loaded_at` (seconds since 1970) is when it was last transferred. `body`
    is there until it has been read once.
    """

    url: str
    version: str
    etag: str
    last_modified: str
    content_type: str
    is_indexed: bool
    canonical: str | None
    links: tuple[str, ...]
    loaded_at: float
    body: bytes | None


class PageMemory:
    """Remembered pages in a SQLite file, by URL. A file that is damaged or of another format is made anew."""

    def __init__(self, file: Path) -> None:
        self._connection = open_memory(file, _SCHEMA, _FORMAT)

    def is_empty(self) -> bool:
        """Whether no page is remembered."""
        return self._connection.execute("SELECT 1 FROM page LIMIT 1").fetchone() is None

    def get(self, url: str) -> RememberedPage | None:
        """Give a page, if it is remembered."""
        row = self._connection.execute("SELECT * FROM page WHERE url = ?", (url,)).fetchone()
        if row is None:
            return None
        url, version, etag, modified, kind, indexed, canonical, links, loaded, packed = row
        body = None if packed is None else zlib.decompress(packed)
        facts = bool(indexed), canonical, tuple(json.loads(links))
        return RememberedPage(url, version, etag, modified, kind, *facts, loaded, body)

    def put(self, page: RememberedPage) -> None:
        """Remember a page in place of what was known of its URL."""
        body = None if page.body is None else zlib.compress(page.body, 1)
        row = (
            *(page.url, page.version, page.etag, page.last_modified, page.content_type, page.is_indexed),
            *(page.canonical, json.dumps(page.links), page.loaded_at, body),
        )
        self._connection.execute("INSERT OR REPLACE INTO page VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

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
