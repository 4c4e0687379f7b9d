"""Reading the entries of an RSS or Atom feed."""

from __future__ import annotations

import hashlib
import json
from calendar import timegm
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from io import BytesIO
from typing import Any

from knowledge.isolation import IsolatedFunction, Limits
from knowledge.sources.feedarchive import FeedEntry
from knowledge.sources.http import Response, joined

# feedparser takes about ten seconds a megabyte of the worst markup: what is larger is read in a child.
_MOST_IN_PROCESS = 300_000
_LIMITS = Limits(seconds=60.0, seconds_a_megabyte=15.0)


def feed_entries(response: Response) -> tuple[FeedEntry, ...] | None:
    """Give the entries of a feed in its order; None when the answer is no feed.

    Raises `ChildError` when a large one takes too long or too much memory.
    """
    head = {
        "content-location": response.url,
        "content-type": response.headers.get("content-type", ""),
    }
    document = json.dumps(head).encode() + b"\n" + response.content
    if len(document) <= _MOST_IN_PROCESS:
        found = parse(document)
    else:
        child = IsolatedFunction("knowledge.sources.feedentries:parse", _LIMITS)
        try:
            found = child(document)
        finally:
            child.close()
    entries = json.loads(found)
    return None if entries is None else tuple(FeedEntry(**entry) for entry in entries)


def parse(document: bytes) -> bytes:
    """Parse a feed below a line of JSON with its headers: a JSON array of entries, or null for no feed."""
    import feedparser

    head, content = document.split(b"\n", 1)
    # A stream, since feedparser would open a string as a URL or a file.
    parsed = feedparser.parse(BytesIO(content), response_headers=json.loads(head))
    entries = [asdict(_entry(found)) for found in parsed.entries] if parsed.get("version") else None
    return json.dumps(entries).encode()


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
