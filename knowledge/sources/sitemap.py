"""Sitemaps (https://www.sitemaps.org/protocol.html)."""

from __future__ import annotations

import logging
import zlib
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass

from knowledge.documents import KnowledgeError
from knowledge.sources.http import Request, joined, said_by
from knowledge.sources.politeness import PoliteClient
from knowledge.sources.weburls import normalised

_MOST_SITEMAPS = 500
# https://www.sitemaps.org/protocol.html: a sitemap has at most 50 MB.
_MOST_BYTES = 52_428_800

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sitemap:
    """One file: `pages` are `(normalised URL, lastmod or "")`, `sitemaps` the files that an index names."""

    pages: tuple[tuple[str, str], ...]
    sitemaps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SitemapPages:
    """The pages of a site's sitemaps with their dates ("" where there is none).

    `lack` says in a line what may be missing among them; empty when nothing is.
    """

    dates: dict[str, str]
    lack: str


def sitemap_pages(
    web: PoliteClient, start_url: str, is_wanted: Callable[[str], bool], max_pages: int
) -> Generator[None, None, SitemapPages]:
    """Read the sitemaps that robots.txt names, or those in the usual places; yields at each one.

    Raises `KnowledgeError` when one is damaged or not answered for.
    """
    named = web.sitemaps(start_url)
    usual = dict.fromkeys(joined(start_url, place) for place in ("/sitemap.xml", "sitemap.xml"))
    waiting = deque(url for url in named or usual if url)
    seen = set(waiting)
    dates: dict[str, str] = {}
    lack = ""
    while waiting and len(seen) <= _MOST_SITEMAPS and len(dates) <= max_pages:
        yield
        url = waiting.popleft()
        response = web.get(Request(url, _MOST_BYTES))
        sitemap = None
        if response.status == 200:
            sitemap = read_sitemap(url, response.content, _MOST_BYTES)
        if sitemap is None:
            if url not in usual:
                logger.warning("%s is no sitemap (status %s)", url, response.status)
            if url not in usual and response.status in (401, 403):
                lack = said_by(url, response.status)
            continue
        fresh = [further for further in sitemap.sitemaps if further not in seen]
        seen.update(fresh)
        waiting.extend(fresh)
        for page, date in sitemap.pages:
            if is_wanted(page) and web.may_fetch(page):
                dates.setdefault(page, date)
    if waiting or len(dates) > max_pages:
        lack = (
            f"The sitemap of {start_url} names more pages than are read; raise max_pages ({max_pages:,}), or "
            "exclude what is not wanted."
        )
    return SitemapPages(dict(tuple(dates.items())[:max_pages]), lack)


def read_sitemap(url: str, content: bytes, most_bytes: int) -> Sitemap | None:
    """Read a sitemap or a sitemap index, plain or gzip; None when it is something else, such as a web page.

    Raises `KnowledgeError` when it begins as one and is damaged, or unpacks to more than `most_bytes`:
    what it does not show must not be taken for deleted.
    """
    from lxml import etree

    text = _unpacked(url, content, most_bytes)
    if b"<urlset" not in text[:10_000] and b"<sitemapindex" not in text[:10_000]:
        return None
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(text.strip(), parser)
    except etree.XMLSyntaxError as error:
        raise KnowledgeError(f"The sitemap {url} is damaged: {error.msg}.") from error
    found = [
        (normalised(entry.findtext("{*}loc") or ""), (entry.findtext("{*}lastmod") or "").strip())
        for entry in root.iterchildren("{*}url", "{*}sitemap")
    ]
    entries = tuple((location, changed) for location, changed in found if location)
    if etree.QName(root).localname == "sitemapindex":
        return Sitemap((), tuple(location for location, _changed in entries))
    return Sitemap(entries, ())


def _unpacked(url: str, content: bytes, most_bytes: int) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        text = inflate.decompress(content, most_bytes)
    except zlib.error as error:
        raise KnowledgeError(f"The sitemap {url} is damaged: {error}.") from error
    if not inflate.eof:
        raise KnowledgeError(f"The sitemap {url} is cut off or unpacks to more than {most_bytes:,} bytes.")
    return text
