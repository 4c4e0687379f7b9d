"""An RSS or Atom feed as a source."""

from __future__ import annotations

import hashlib
from calendar import timegm
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

from knowledge.documents import KnowledgeError, Listed, RawDocument, VanishedError
from knowledge.sources.addresses import is_public
from knowledge.sources.feedarchive import FeedArchive, FeedEntry, load_archive, save_archive
from knowledge.sources.http import Response, WebClient, any_address, joined
from knowledge.sources.politeness import PoliteClient
from knowledge.sources.weburls import normalised


class FeedSource:
    """The entries of a feed, each a document.

    A feed shows its newest entries only. What was seen once is kept in `cache_folder`, so that a listing
    holds the entries that have left the feed as well, up to `max_entries`, the oldest leaving first. A
    document's uri is the entry's id or link; its version is a digest of its content and dates.
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
        retry_seconds: float = 2.0,
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
        self._may_connect = any_address if allow_private else is_public
        self._retry_seconds = retry_seconds
        self._user_agent = user_agent
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
                    f"The feed {self._url} of source '{self.name}' answers with status {response.status}."
                )
            etag, modified = (response.headers.get(name, "") for name in ("etag", "last-modified"))
            entries = archive.joined_by(self._entries(response), self._max_entries)
            archive = FeedArchive(etag, modified, entries)
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
        client = WebClient(self._user_agent, self._may_connect)
        held = {"If-None-Match": archive.etag, "If-Modified-Since": archive.last_modified}
        asked = {name: text for name, text in held.items() if text and archive.entries}
        try:
            web = PoliteClient(client, self._user_agent, 0.0, self._retry_seconds)
            return web.get(self._url, self._max_bytes, asked)
        except KnowledgeError as error:
            raise KnowledgeError(f"The feed of source '{self.name}' cannot be read: {error}") from error
        finally:
            client.close()

    def _entries(self, response: Response) -> tuple[FeedEntry, ...]:
        import feedparser

        # A stream, since feedparser would open a string as a URL or a file.
        parsed = feedparser.parse(
            BytesIO(response.content),
            response_headers={
                "content-location": response.url,
                "content-type": response.headers.get("content-type", ""),
            },
        )
        if not parsed.get("version"):
            raise KnowledgeError(f"{response.url} of source '{self.name}' is no RSS or Atom feed.")
        return tuple(map(_entry, parsed.entries))


def _entry(found: Any) -> FeedEntry:
    title = _text(found.get("title", ""), found.get("title_detail", {}).get("type", ""))
    parts = found.get("content") or [found.get("summary_detail") or {}]
    content = "\n".join(_html(part.get("value", ""), part.get("type", "")) for part in parts)
    heading = f"<h1>{escape(title)}</h1>" if title else ""
    page = f"<html><head><title>{escape(title)}</title></head><body>{heading}\n{content}</body></html>"
    link = joined("", found.get("link", ""))
    moment = found.get("updated_parsed") or found.get("published_parsed")
    modified = datetime.fromtimestamp(timegm(moment), UTC).isoformat() if moment else None
    version = hashlib.sha256("\0".join((page, link or "", modified or "")).encode()).hexdigest()[:32]
    return FeedEntry(found.get("id") or link or version, version, page, link, modified)


def _html(text: str, kind: str) -> str:
    return f"<p>{escape(text)}</p>" if kind == "text/plain" else text


def _text(markup: str, kind: str) -> str:
    from lxml import etree, html

    if kind == "text/plain" or "<" not in markup:
        return " ".join(markup.split())
    try:
        return " ".join(html.fromstring(markup).text_content().split())
    except etree.ParserError:
        return ""
