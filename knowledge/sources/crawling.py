"""Finding the pages of a website by a bounded crawl that asks only for what has changed."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import httpx

from knowledge.conversion import READABLE_SUFFIXES
from knowledge.documents import KnowledgeError
from knowledge.sources.http import Response, TooLargeError, joined
from knowledge.sources.pagememory import PageMemory, RememberedPage
from knowledge.sources.politeness import PoliteClient
from knowledge.sources.selection import Selection
from knowledge.sources.webpages import file_suffix, page_facts
from knowledge.sources.weburls import Scope, may_be_document, normalised, path_of

_MOST_REDIRECTS = 5
_MOST_QUERIES = 50
_REQUESTS_A_PAGE = 4

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a crawl goes: documents, links from the start, bytes of one answer."""

    max_pages: int
    max_depth: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Found:
    """The pages that are documents, in the order in which they were met, and every URL that was asked for."""

    documents: tuple[RememberedPage, ...]
    visited: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Redirect:
    target: str


@dataclass(frozen=True, slots=True)
class _Waiting:
    url: str
    depth: int
    redirects: int = 0


class Crawl:
    """One run over a website, of which `memory` keeps what the next one need not ask for again."""

    def __init__(
        self, web: PoliteClient, memory: PageMemory, scope: Scope, selection: Selection, limits: Limits
    ) -> None:
        self._web = web
        self._memory = memory
        self._scope = scope
        self._selection = selection
        self._limits = limits

    def documents(self, starts: Iterable[str], max_depth: int) -> Found:
        """Visit the starts and what they link to, breadth first, and tell what was found.

        Pages that name another one found as their canonical one are no documents. Raises `KnowledgeError`
        when a page is not answered for.
        """
        waiting = deque(_Waiting(url, 0) for url in starts)
        seen = {entry.url for entry in waiting}
        queries: Counter[str] = Counter()
        found: dict[str, RememberedPage] = {}
        asked: set[str] = set()
        while waiting:
            if len(found) >= self._limits.max_pages or len(asked) >= self._most_requests:
                logger.warning(
                    "%s has more pages than are read (max_pages is %s)",
                    self._scope.start_url,
                    self._limits.max_pages,
                )
                break
            entry = waiting.popleft()
            if not self._web.may_fetch(entry.url):
                continue
            asked.add(entry.url)
            visited = self._visit(entry.url)
            if visited is None:
                continue
            if isinstance(visited, _Redirect):
                further = [_Waiting(visited.target, entry.depth, entry.redirects + 1)]
            else:
                further = [_Waiting(link, entry.depth + 1) for link in visited.links]
                if visited.canonical:
                    further.append(_Waiting(visited.canonical, entry.depth))
                if visited.is_indexed and self._selection.wants(path_of(entry.url)):
                    found[entry.url] = visited
            for after in further:
                if after.url in seen or after.depth > max_depth or after.redirects > _MOST_REDIRECTS:
                    continue
                seen.add(after.url)
                if self._is_worth_asking(after.url, queries):
                    waiting.append(after)
        originals = tuple(page for page in found.values() if not _is_copy(page, found))
        return Found(originals, frozenset(asked))

    @property
    def _most_requests(self) -> int:
        return _REQUESTS_A_PAGE * self._limits.max_pages + 100

    def _is_worth_asking(self, url: str, queries: Counter[str]) -> bool:
        if not self._scope.holds(url) or not may_be_document(url) or self._selection.hides(path_of(url)):
            return False
        path, mark, _query = url.partition("?")
        # A calendar or a filter links to its own variations without end.
        queries[path] += bool(mark)
        return queries[path] <= _MOST_QUERIES

    def _visit(self, url: str) -> RememberedPage | _Redirect | None:
        """Ask for a page, or whether it is still the one remembered. None: it is no page to read."""
        known = self._memory.get(url)
        try:
            response = self._web.get(url, self._limits.max_bytes, _validators(known), may_follow=_no_redirect)
        except TooLargeError as error:
            return self._too_large(url, error)
        if response.status == 304 and known:
            return known
        if 300 <= response.status < 400:
            target = joined(url, response.headers.get("location", ""))
            target = target and normalised(target)
            return _Redirect(target) if target else None
        if response.status != 200:
            return None
        page = remembered(url, response, self._web.agent)
        if known and known.version == page.version:
            page = replace(page, body=known.body)
        elif not page.is_indexed or not self._selection.wants(path_of(url)):
            page = replace(page, body=None)
        self._memory.put(page)
        return page

    def _too_large(self, url: str, error: TooLargeError) -> RememberedPage | None:
        if PurePosixPath(httpx.URL(url).path).suffix.lower() not in READABLE_SUFFIXES:
            logger.warning("a page is left out: %s", error)
            return None
        # Listed, so that reading it fails and somebody is told.
        return RememberedPage(url, f"too large: {error.size}", "", "", "", True, None, (), None)


def remembered(url: str, response: Response, agent: str) -> RememberedPage:
    """Make what is remembered of a page from the answer with status 200."""
    facts = page_facts(response, agent)
    canonical = facts.canonical if facts.canonical != url else None
    return RememberedPage(
        url=url,
        version=hashlib.sha256(response.content).hexdigest()[:32],
        etag=response.headers.get("etag", ""),
        last_modified=response.headers.get("last-modified", ""),
        content_type=response.headers.get("content-type", ""),
        is_indexed=facts.may_be_indexed and file_suffix(url, response.headers) is not None,
        canonical=canonical,
        links=facts.links,
        body=response.content,
    )


def start_failure(start_url: str, name: str, web: PoliteClient) -> KnowledgeError:
    """Say why a crawl from the start URL has found no page at all."""
    where = f"{start_url} of source '{name}'"
    if not web.may_fetch(start_url):
        return KnowledgeError(f"{where} may not be read: robots.txt of its server forbids it.")
    response = web.get(start_url, 1_000_000, may_follow=_no_redirect)
    if location := response.headers.get("location"):
        return KnowledgeError(f"{where} redirects to {joined(start_url, location)}; make that the start_url.")
    if response.status != 200:
        return KnowledgeError(f"{where} answers with status {response.status}.")
    return KnowledgeError(f"{where} leads to no page that may be read (noindex, include, exclude).")


def _is_copy(page: RememberedPage, found: dict[str, RememberedPage]) -> bool:
    """Whether a page names another one as its canonical one, which does not name a third."""
    original = found.get(page.canonical or "")
    return original is not None and original.canonical in (None, original.url)


def _validators(known: RememberedPage | None) -> dict[str, str]:
    if known is None:
        return {}
    asked = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: text for name, text in asked.items() if text}


def _no_redirect(_url: str) -> bool:
    return False
