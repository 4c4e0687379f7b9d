"""An RSS or Atom feed as a source."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from knowledge.documents import KnowledgeError, Listed, RawDocument, VanishedError
from knowledge.isolation import ChildError
from knowledge.sources.feedarchive import FeedArchive, FeedEntry, load_archive, save_archive
from knowledge.sources.feedentries import feed_entries
from knowledge.sources.http import Request, Response, said_by
from knowledge.sources.politeness import PoliteClient, Timing
from knowledge.sources.weburls import normalised

_TIMING = Timing(delay_seconds=0.0)


class FeedSource:
    """The entries of a feed, each a document.

    A feed shows its newest entries only. What was seen once is kept in `cache_folder`, so that a listing
    holds the entries that have left the feed as well, up to `max_entries`, the oldest leaving first. A
    document's uri is the entry's id or link; its version is a digest of its content and dates. The feed is
    asked for with ETag and Last-Modified, and once in `recheck_seconds` without: these may lie.
    """

    def __init__(
        self,
        name: str,
        url: str,
        audience: frozenset[str],
        cache_folder: Path,
        max_entries: int = 1_000,
        max_bytes: int = 20_000_000,
        allow_private: bool = False,
        timing: Timing = _TIMING,
        recheck_seconds: float = 86_400.0,
        user_agent: str = "Lorebot",
    ) -> None:
        """`max_bytes` bounds the feed's own file. Raises `KnowledgeError` when `url` is no http(s) URL."""
        address = normalised(url)
        if address is None:
            raise KnowledgeError(f"The url {url!r} of source '{name}' is no http or https URL.")
        self.name = name
        self.audience = audience
        self._url = address
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._guest = user_agent, allow_private, timing
        self._recheck_seconds = recheck_seconds
        self._file = cache_folder / f"{hashlib.sha256(address.encode()).hexdigest()[:16]}.json"

    def list(self) -> Iterator[Listed]:
        """Ask for what is new and yield all entries kept, the newest first.

        Raises `KnowledgeError` when the feed cannot be had or is none.
        """
        archive = load_archive(self._file)
        response = self._get(archive)
        if response.status != 304:
            if response.status != 200:
                raise KnowledgeError(
                    said_by(f"The feed {self._url} of source '{self.name}'", response.status)
                )
            etag, modified = (response.headers.get(name, "") for name in ("etag", "last-modified"))
            entries = archive.joined_by(self._entries(response), self._max_entries)
            archive = FeedArchive(etag, modified, time.time(), entries)
            save_archive(self._file, archive)
        yield from (Listed(entry.uri, entry.version) for entry in archive.entries)

    def read(self, uri: str) -> RawDocument:
        """Give an entry as it was last seen. Raises `VanishedError` for one that is not kept."""
        entry = next((entry for entry in load_archive(self._file).entries if entry.uri == uri), None)
        if entry is None:
            raise VanishedError(f"{uri} is not among the entries of source '{self.name}'.")
        modified = datetime.fromisoformat(entry.modified) if entry.modified else None
        return RawDocument(uri, "entry.html", entry.html.encode(), entry.url, modified)

    def _get(self, archive: FeedArchive) -> Response:
        held = {"If-None-Match": archive.etag, "If-Modified-Since": archive.last_modified}
        trusted = archive.entries and time.time() - archive.loaded_at < self._recheck_seconds
        asked = {name: text for name, text in held.items() if text and trusted}
        web = PoliteClient(*self._guest)
        try:
            return web.get(Request(self._url, self._max_bytes, asked))
        except KnowledgeError as error:
            raise KnowledgeError(f"The feed of source '{self.name}' cannot be read: {error}") from error
        finally:
            web.close()

    def _entries(self, response: Response) -> tuple[FeedEntry, ...]:
        try:
            found = feed_entries(response)
        except ChildError as error:
            raise KnowledgeError(f"The feed {response.url} of source '{self.name}' {error}.") from error
        if found is None:
            raise KnowledgeError(f"{response.url} of source '{self.name}' is no RSS or Atom feed.")
        return found
