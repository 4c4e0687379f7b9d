"""Finding the pages of a website by a bounded crawl that asks only for what has changed."""

from __future__ import annotations

import hashlib
import logging
import time
import zlib
from collections import Counter, deque
from collections.abc import Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import httpx

from knowledge.conversion import READABLE_SUFFIXES
from knowledge.documents import KnowledgeError
from knowledge.sources.http import FetchError, Request, Response, TooLargeError, follow_none, joined, said_by
from knowledge.sources.pagememory import PageMemory, RememberedPage
from knowledge.sources.politeness import PoliteClient
from knowledge.sources.selection import Selection
from knowledge.sources.webpages import file_suffix, page_facts
from knowledge.sources.weburls import Scope, may_be_document, normalised, path_of

_MOST_REDIRECTS = 5
_MOST_QUERIES = 50
_REQUESTS_A_PAGE = 4
_IN_A_ROW = 5
_MOST_UNANSWERED = 100
# Statuses of a page that is there and not for Lorebot.
REFUSED = (401, 403)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a crawl goes: documents, links from the start, bytes of one answer.

    A page is loaded again, whatever its server says of changes, one to two times `recheck_seconds` after it
    was last loaded: an ETag or a date may lie.
    """

    max_pages: int
    max_depth: int
    max_bytes: int
    recheck_seconds: float

    def is_due(self, page: RememberedPage) -> bool:
        """Whether a page is to be loaded again; pages of one day are due on many."""
        spread = 1 + zlib.crc32(page.url.encode()) % 1000 / 1000
        return time.time() - page.loaded_at >= self.recheck_seconds * spread


@dataclass(frozen=True, slots=True)
class Found:
    """What a crawl has found.

    `documents` are the pages that are documents, in the order in which they were met, without links and
    content; `visited` every URL that was asked for, `unanswered` why those of them that are only remembered
    were not answered for, `refused` those that want a login. `lack` says in a line what may be missing among
    the documents; it is empty when nothing is.
    """

    documents: tuple[RememberedPage, ...]
    visited: frozenset[str]
    unanswered: dict[str, str]
    refused: frozenset[str]
    lack: str


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
        self._unanswered: dict[str, str] = {}
        self._refused: set[str] = set()
        self._silences = 0

    def documents(self, starts: Iterable[str], max_depth: int) -> Generator[None, None, Found]:
        """Visit the starts and what they link to, breadth first, and tell what was found; yields at each.

        Pages that name another one found as their canonical one are no documents. A page that is not
        answered for is found as it is remembered. Raises `KnowledgeError` when it is the start URL of the
        site, or that one is not answered for either after several pages in a row.
        """
        was_empty = self._memory.is_empty()
        lack = ""
        waiting = deque(_Waiting(url, 0) for url in starts)
        seen = {entry.url for entry in waiting}
        queries: Counter[str] = Counter()
        found: dict[str, RememberedPage] = {}
        asked: set[str] = set()
        while waiting:
            if len(found) >= self._limits.max_pages or len(asked) >= self._most_requests:
                lack = self._too_many_pages()
                break
            if len(self._unanswered) > _MOST_UNANSWERED:
                lack = f"More than {_MOST_UNANSWERED} pages of {self._scope.start_url} are not answered for."
                break
            yield
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
                    found[entry.url] = replace(visited, links=(), body=None)
            for after in further:
                if after.url in seen or after.depth > max_depth or after.redirects > _MOST_REDIRECTS:
                    continue
                if len(seen) > 10 * self._most_requests:
                    lack = self._too_many_pages()
                    break
                seen.add(after.url)
                if self._is_worth_asking(after.url, queries):
                    waiting.append(after)
        if was_empty and self._unanswered and not lack:
            lack = "What they link to is not known: " + next(iter(self._unanswered.values()))
        originals = tuple(page for page in found.values() if not _is_copy(page, found))
        return Found(originals, frozenset(asked), self._unanswered, frozenset(self._refused), lack)

    def _too_many_pages(self) -> str:
        return (
            f"{self._scope.start_url} has more pages than are read; raise max_pages "
            f"({self._limits.max_pages:,}), or exclude what is not wanted (a calendar, a list of versions)."
        )

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
        validators = _validators(known) if known and not self._limits.is_due(known) else {}
        try:
            response = self._web.get(Request(url, self._limits.max_bytes, validators, follow_none))
        except TooLargeError as error:
            return self._too_large(url, error)
        except FetchError as error:
            if url == self._scope.start_url:
                raise
            return self._not_answered(url, known, error)
        self._silences = 0
        if response.status in REFUSED:
            self._refused.add(url)
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

    def _not_answered(self, url: str, known: RememberedPage | None, error: FetchError) -> RememberedPage:
        """Give a page as it is remembered, under a version of its own."""
        self._unanswered[url] = str(error)
        self._silences += 1
        if self._silences % _IN_A_ROW == 0:
            with suppress(TooLargeError):
                self._web.get(Request(self._scope.start_url, self._limits.max_bytes, may_follow=follow_none))
        return replace(known or _unknown(url), version="not answered for")

    def _too_large(self, url: str, error: TooLargeError) -> RememberedPage | None:
        if PurePosixPath(httpx.URL(url).path).suffix.lower() not in READABLE_SUFFIXES:
            logger.warning("a page is left out: %s", error)
            return None
        # Listed, so that reading it fails and somebody is told.
        return replace(_unknown(url), version=f"too large: {error.size}")


def _unknown(url: str) -> RememberedPage:
    return RememberedPage(url, "", "", "", "", True, None, (), 0.0, None)


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
        loaded_at=time.time(),
        body=response.content,
    )


def start_failure(start_url: str, name: str, web: PoliteClient) -> KnowledgeError:
    """Say why a crawl from the start URL has found no page at all."""
    where = f"{start_url} of source '{name}'"
    if not web.may_fetch(start_url):
        return KnowledgeError(f"{where} may not be read: robots.txt of its server forbids it.")
    response = web.get(Request(start_url, 1_000_000, may_follow=follow_none))
    location = response.headers.get("location") if 300 <= response.status < 400 else None
    target = location and joined(start_url, location)
    if target and normalised(target) == start_url:
        return KnowledgeError(f"{where} redirects to itself; it may want cookies or a login, and gets none.")
    if target:
        return KnowledgeError(f"{where} redirects to {target}; make that the url.")
    if response.status != 200:
        return KnowledgeError(said_by(where, response.status))
    return KnowledgeError(f"{where} leads to no page that may be read (noindex, include, exclude).")


def _is_copy(page: RememberedPage, found: dict[str, RememberedPage]) -> bool:
    """Whether a page names another one as its canonical one, which does not name a third."""
    original = found.get(page.canonical or "")
    return original is not None and original.canonical in (None, original.url)


def _validators(known: RememberedPage) -> dict[str, str]:
    asked = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: text for name, text in asked.items() if text}
