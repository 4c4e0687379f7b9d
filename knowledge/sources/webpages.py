"""What an answer of a web server is: its kind, and what the page in it says of itself."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import Any

import httpx

from knowledge.conversion import READABLE_SUFFIXES
from knowledge.sources.http import Response, joined
from knowledge.sources.weburls import normalised

_SUFFIXES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "text/markdown": ".md",
    "text/x-rst": ".rst",
    "text/csv": ".csv",
    "application/json": ".json",
}
# Types that servers give to what they do not know: the suffix in the URL tells more.
_UNTOLD = frozenset({"", "text/plain", "application/octet-stream", "binary/octet-stream"})
_MOST_LINKS = 5_000


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What a page says of itself: may it be indexed, what is its own address, where does it lead."""

    may_be_indexed: bool
    canonical: str | None
    links: tuple[str, ...]


def file_suffix(url: str, headers: Mapping[str, str]) -> str | None:
    """Tell the suffix by which an answer is converted; None when it is of no readable kind."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    suffix = _SUFFIXES.get(kind)
    if kind in _UNTOLD:
        own = PurePosixPath(httpx.URL(url).path).suffix.lower()
        suffix = own if own in READABLE_SUFFIXES else ".txt" if kind == "text/plain" else None
    return suffix if suffix in READABLE_SUFFIXES else None


def file_name(url: str, suffix: str) -> str:
    """Make a file's name of the last part of a URL's path."""
    last = PurePosixPath(httpx.URL(url).path).name
    stem = PurePosixPath(last).stem if PurePosixPath(last).suffix.lower() in READABLE_SUFFIXES else last
    return f"{stem or 'index'}{suffix}"


def as_utf8(content: bytes, headers: Mapping[str, str]) -> bytes:
    """Recode text of which the server tells the encoding; only the server knows it, a file would not."""
    kind, _semicolon, parameters = headers.get("content-type", "").partition(";")
    found = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", parameters, re.IGNORECASE)
    if not found or not kind.strip().lower().startswith(("text/", "application/xhtml")):
        return content
    try:
        name = codecs.lookup(found[1]).name
        return content if name == "utf-8" else content.decode(name, errors="replace").encode()
    except (LookupError, ValueError):
        return content


def last_modified(headers: Mapping[str, str]) -> datetime | None:
    """Read the date of the header Last-Modified."""
    try:
        found = parsedate_to_datetime(headers.get("last-modified", ""))
    except (ValueError, TypeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def page_facts(response: Response, agent: str) -> PageFacts:
    """Read robots meta tags and headers (for all and for `agent`), the canonical link, and the links.

    https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag and RFC 6596. Links of a page
    that says `nofollow` are not given.
    """
    rules = _header_rules(response.headers.get("x-robots-tag", ""), agent)
    canonical = _link_header_canonical(response)
    links: tuple[str, ...] = ()
    if file_suffix(response.url, response.headers) == ".html":
        tree = _tree(as_utf8(response.content, response.headers))
        if tree is not None:
            rules |= _meta_rules(tree, agent)
            base = joined(response.url, tree.xpath("string(//base/@href)")) or response.url
            canonical = _canonical(tree, base) or canonical
            links = () if rules & {"nofollow", "none"} else _links(tree, base)
    return PageFacts(not rules & {"noindex", "none"}, canonical, links)


def _tree(content: bytes) -> Any:
    from lxml import etree, html

    try:
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return html.document_fromstring(content)
        return html.document_fromstring(re.sub(r"\A\s*<\?xml[^>]*\?>", "", text))
    except (etree.ParserError, ValueError):
        return None


def _links(tree: Any, base: str) -> tuple[str, ...]:
    found = []
    for href in tuple(dict.fromkeys(tree.xpath("//a/@href|//area/@href")))[:_MOST_LINKS]:
        absolute = joined(base, href)
        url = absolute and normalised(absolute)
        if url:
            found.append(url)
    return tuple(dict.fromkeys(found))


def _canonical(tree: Any, base: str) -> str | None:
    for link in tree.xpath("//link[@rel][@href]"):
        if "canonical" in link.get("rel").lower().split():
            absolute = joined(base, link.get("href"))
            return absolute and normalised(absolute)
    return None


def _link_header_canonical(response: Response) -> str | None:
    found = re.search(r"<([^>]*)>\s*;\s*rel=\"?canonical\b", response.headers.get("link", ""), re.IGNORECASE)
    absolute = joined(response.url, found[1]) if found else None
    return absolute and normalised(absolute)


def _meta_rules(tree: Any, agent: str) -> set[str]:
    rules: set[str] = set()
    for meta in tree.xpath("//meta[@name][@content]"):
        if meta.get("name").strip().lower() in ("robots", agent.lower()):
            rules |= {rule.strip().lower() for rule in meta.get("content").split(",")}
    return rules


def _header_rules(header: str, agent: str) -> set[str]:
    rules: set[str] = set()
    is_meant = True
    for part in header.lower().split(","):
        name, colon, rule = part.partition(":")
        if colon and " " not in name.strip() and name.strip() not in ("unavailable_after", "max-snippet"):
            is_meant = name.strip() == agent.lower()
            part = rule
        if is_meant:
            rules.add(part.strip())
    return rules
