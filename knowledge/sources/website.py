"""A website as a source."""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from knowledge.documents import KnowledgeError, Listed, RawDocument, UnreadableError, VanishedError
from knowledge.sources.addresses import is_public
from knowledge.sources.crawling import Crawl, Limits, remembered, start_failure
from knowledge.sources.http import TooLargeError, WebClient, any_address, joined
from knowledge.sources.pagememory import PageMemory, RememberedPage
from knowledge.sources.politeness import PoliteClient
from knowledge.sources.selection import Selection, too_large
from knowledge.sources.sitemap import read_sitemap
from knowledge.sources.webpages import as_utf8, file_name, file_suffix, last_modified
from knowledge.sources.weburls import Scope, may_be_document, normalised, path_of

_MOST_SITEMAPS = 500
# https://www.sitemaps.org/protocol.html: a sitemap has at most 50 MB.
_MOST_SITEMAP_BYTES = 52_428_800

logger = logging.getLogger(__name__)


class WebsiteSource:
    """The pages of a website at and below a start URL.

    They are those of the sitemap, where robots.txt names one or it lies in its usual place, and otherwise
    those that a crawl finds. A document's uri is its normalised URL. Its version is the sitemap's date for
    it, or a digest of its content; the content is asked for with ETag and Last-Modified, so that an
    unchanged page costs a request and no transfer.
    """

    def __init__(
        self,
        name: str,
        start_url: str,
        audience: frozenset[str],
        cache_folder: Path,
        include: tuple[str, ...] = ("**/*",),
        exclude: tuple[str, ...] = (),
        max_pages: int = 2_000,
        max_depth: int = 10,
        max_bytes: int = 20_000_000,
        allow_private: bool = False,
        delay_seconds: float = 0.5,
        retry_seconds: float = 2.0,
        user_agent: str = "Lorebot",
    ) -> None:
        """`include` and `exclude` are patterns as for `FolderSource`, met by the path of a URL; what is not
        included is still followed, what is excluded is not. `allow_private` lets the site be in one's own
        network. Raises `KnowledgeError` when `start_url` is no http(s) URL.
        """
        start = normalised(start_url)
        if start is None:
            raise KnowledgeError(f"The start_url {start_url!r} of source '{name}' is no http or https URL.")
        self.name = name
        self.audience = audience
        self._start = start
        self._scope = Scope(start)
        self._selection = Selection(include, exclude)
        self._limits = Limits(max_pages, max_depth, max_bytes)
        self._delay_seconds = delay_seconds
        self._retry_seconds = retry_seconds
        self._user_agent = user_agent
        self._may_connect = any_address if allow_private else is_public
        self._memory_file = cache_folder / f"{hashlib.sha256(start.encode()).hexdigest()[:16]}.sqlite3"
        self._dates: dict[str, str] = {}
        self._opened: tuple[PoliteClient, PageMemory] | None = None

    def list(self) -> Iterator[Listed]:
        """Yield the pages: those of the sitemap in its order, or those of the crawl as it met them.

        Raises `KnowledgeError` when any page, robots.txt or sitemap is not answered for: what is not seen
        must not be taken for deleted.
        """
        try:
            yield from self._listing()
        except KnowledgeError as error:
            raise KnowledgeError(f"The listing of source '{self.name}' is not complete: {error}") from error

    def read(self, uri: str) -> RawDocument:
        """Read one page, as the listing has just seen it where it has.

        Raises `VanishedError` when it is gone, forbidden to robots, or says of itself that it is a copy or
        not to be indexed; `UnreadableError` when it cannot be had.
        """
        web, memory = self._web()
        if normalised(uri) != uri or not self._is_wanted(uri):
            raise UnreadableError(f"{uri!r} is not a page of source '{self.name}'.")
        known = memory.get(uri)
        date = self._dates.get(uri)
        if known and known.body is not None and (not date or known.version == _mark(date)):
            memory.drop_body(uri)
            return self._document(known, known.body)
        try:
            page = self._fetched(web, uri)
        except TooLargeError as error:
            raise too_large(uri, error.size, self._limits.max_bytes) from error
        except (UnreadableError, VanishedError):
            raise
        except KnowledgeError as error:
            raise UnreadableError(str(error)) from error
        body, page = page.body or b"", replace(page, body=None)
        memory.put(page)
        if not page.is_indexed:
            raise VanishedError(f"{uri} is not to be indexed.")
        if page.canonical in self._dates:
            raise VanishedError(f"{uri} is a copy of {page.canonical}.")
        return self._document(page, body)

    def _listing(self) -> Iterator[Listed]:
        self._close()
        web, memory = self._web()
        dates = self._sitemap_dates(web)
        crawl = Crawl(web, memory, self._scope, self._selection, self._limits)
        if not dates:
            found = crawl.documents([self._start], self._limits.max_depth)
            if not found.documents:
                raise start_failure(self._start, self.name, web)
            self._dates = {}
            memory.keep_only(found.visited)
            yield from (Listed(page.url, page.version) for page in found.documents)
            return
        self._dates = dates
        undated = crawl.documents([url for url, date in dates.items() if not date], max_depth=0)
        dated = [url for url, date in dates.items() if date and self._may_be_listed(url, date, memory)]
        memory.keep_only({*dates, *undated.visited})
        yield from (Listed(url, _mark(dates[url])) for url in dated)
        yield from (Listed(page.url, page.version) for page in undated.documents)

    def _may_be_listed(self, url: str, date: str, memory: PageMemory) -> bool:
        """Whether nothing speaks against a page of the sitemap that it said when it was read at that date."""
        known = memory.get(url)
        if known is None or known.version != _mark(date):
            return True
        return known.is_indexed and known.canonical not in self._dates

    def _sitemap_dates(self, web: PoliteClient) -> dict[str, str]:
        """Give the pages of the sitemaps with their dates ("" where there is none)."""
        named = web.sitemaps(self._start)
        usual = dict.fromkeys(joined(self._start, place) for place in ("/sitemap.xml", "sitemap.xml"))
        waiting = deque(url for url in named or usual if url)
        seen = set(waiting)
        dates: dict[str, str] = {}
        while waiting and len(seen) <= _MOST_SITEMAPS and len(dates) < self._limits.max_pages:
            url = waiting.popleft()
            response = web.get(url, _MOST_SITEMAP_BYTES)
            sitemap = None
            if response.status == 200:
                sitemap = read_sitemap(url, response.content, _MOST_SITEMAP_BYTES)
            if sitemap is None:
                if url not in usual:
                    logger.warning("source '%s': %s is no sitemap", self.name, url)
                continue
            fresh = [further for further in sitemap.sitemaps if further not in seen]
            seen.update(fresh)
            waiting.extend(fresh)
            for page, date in sitemap.pages:
                if self._is_wanted(page) and web.may_fetch(page):
                    dates.setdefault(page, date)
        most = self._limits.max_pages
        if len(dates) > most:
            logger.warning("source '%s': only the first %s pages of the sitemap are read", self.name, most)
        return dict(tuple(dates.items())[:most])

    def _is_wanted(self, url: str) -> bool:
        is_ours = self._scope.holds(url) and may_be_document(url)
        return is_ours and self._selection.wants(path_of(url))

    def _fetched(self, web: PoliteClient, uri: str) -> RememberedPage:
        if not web.may_fetch(uri):
            raise VanishedError(f"{uri} may not be read: robots.txt of its server forbids it.")
        response = web.get(uri, self._limits.max_bytes, may_follow=self._may_follow)
        if response.status in (404, 410):
            raise VanishedError(f"{uri} is gone.")
        if response.status != 200:
            raise UnreadableError(f"{uri} answers with status {response.status}.")
        page = remembered(uri, response, web.agent)
        if date := self._dates.get(uri):
            page = replace(page, version=_mark(date))
        final = normalised(response.url)
        return replace(page, canonical=page.canonical or (final if final != uri else None))

    def _may_follow(self, url: str) -> bool:
        web, _memory = self._web()
        target = normalised(url)
        return target is not None and self._scope.holds(target) and web.may_fetch(target)

    def _document(self, page: RememberedPage, body: bytes) -> RawDocument:
        headers = {"content-type": page.content_type, "last-modified": page.last_modified}
        suffix = file_suffix(page.url, headers) or ".html"
        modified = last_modified(headers) or _date(self._dates.get(page.url, ""))
        name = file_name(page.url, suffix)
        return RawDocument(page.url, name, as_utf8(body, headers), page.url, modified)

    def _web(self) -> tuple[PoliteClient, PageMemory]:
        if self._opened is None:
            client = WebClient(self._user_agent, self._may_connect)
            polite = PoliteClient(client, self._user_agent, self._delay_seconds, self._retry_seconds)
            self._opened = polite, PageMemory(self._memory_file)
        return self._opened

    def _close(self) -> None:
        if self._opened is not None:
            web, memory = self._opened
            web.close()
            memory.close()
            self._opened = None


def _mark(date: str) -> str:
    return f"lastmod {date}"


def _date(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
