"""Sitemaps (https://www.sitemaps.org/protocol.html)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from knowledge.documents import KnowledgeError
from knowledge.sources.weburls import normalised


@dataclass(frozen=True, slots=True)
class Sitemap:
    """One file: `pages` are `(normalised URL, lastmod or "")`, `sitemaps` the files that an index names."""

    pages: tuple[tuple[str, str], ...]
    sitemaps: tuple[str, ...]


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
