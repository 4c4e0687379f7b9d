"""A website as a source."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from knowledge.documents import (
    KnowledgeError,
    Listed,
    PartialListingError,
    RawDocument,
    UnreadableError,
    VanishedError,
)
from knowledge.sources.crawling import REFUSED, Crawl, Limits, remembered, start_failure
from knowledge.sources.http import Request, TooLargeError, follow_none, said_by
from knowledge.sources.pagememory import PageMemory, RememberedPage
from knowledge.sources.politeness import PoliteClient, Timing
from knowledge.sources.selection import Selection, too_large
from knowledge.sources.sitemap import sitemap_pages
from knowledge.sources.webpages import as_utf8, file_name, file_suffix, last_modified
from knowledge.sources.weburls import Scope, may_be_document, normalised, path_of

_TIMING = Timing()


class WebsiteSource:
    """The pages of a website at and below a start URL.

    They are those of the sitemap, where robots.txt names one or it lies in its usual place, and otherwise
    those that a crawl finds. A document's uri is its normalised URL. Its version is the sitemap's date for
    it, or a digest of its content; the content is asked for with ETag and Last-Modified, so that an
    unchanged page costs a request and no transfer. As these may lie, a page is loaded all the same one to two
    times `recheck_seconds` after it was last loaded.

    A page is gone when its server says so (404, 410), wants a login for it (401, 403), or no other page leads
    to it. One that is not answered for is kept as it was.
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
        timing: Timing = _TIMING,
        recheck_seconds: float = 7 * 86_400.0,
        user_agent: str = "Lorebot",
    ) -> None:
        """`include` and `exclude` are patterns as for `FolderSource`, met by the path of a URL; what is not
        included is still followed, what is excluded is not. `allow_private` lets the site be in one's own
        network. Raises `KnowledgeError` when `start_url` is no http(s) URL.
        """
        start = normalised(start_url)
        if start is None:
            raise KnowledgeError(f"The url {start_url!r} of source '{name}' is no http or https URL.")
        self.name = name
        self.audience = audience
        self._start = start
        self._scope = Scope(start)
        self._selection = Selection(include, exclude)
        self._limits = Limits(max_pages, max_depth, max_bytes, recheck_seconds)
        self._guest = user_agent, allow_private, timing
        self._memory_file = cache_folder / f"{hashlib.sha256(start.encode()).hexdigest()[:16]}.sqlite3"
        self._dates: dict[str, str] = {}
        self._marks: dict[str, str] = {}
        self._opened: tuple[PoliteClient, PageMemory] | None = None

    def list(self) -> Iterator[Listed | None]:
        """Yield the pages: those of the sitemap in its order, or those of the crawl as it met them.

        Pages that are not answered for are among them, as unreadable. Raises `KnowledgeError` when
        the start URL, robots.txt or a sitemap is not answered for, or refuses; `PartialListingError` when
        there are more pages than are read.
        """
        try:
            lack = yield from self._listing()
        except KnowledgeError as error:
            raise KnowledgeError(
                f"Source '{self.name}' cannot be listed, what was indexed before stands: {error}"
            ) from error
        if lack:
            raise PartialListingError(
                f"The listing of source '{self.name}' is not complete, so nothing of it is deleted: {lack}"
            )

    def read(self, uri: str) -> RawDocument:
        """Read one page, as the listing has just seen it where it has.

        Raises `VanishedError` when it is gone, closed, forbidden to robots, or says of itself that it is a
        copy or not to be indexed; `UnreadableError` when it cannot be had.
        """
        web, memory = self._web()
        if normalised(uri) != uri or not self._is_wanted(uri):
            raise UnreadableError(f"{uri!r} is not a page of source '{self.name}' (see include and exclude).")
        known = memory.get(uri)
        mark = self._marks.get(uri)
        if known and known.body is not None and mark in (None, known.version):
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

    def _listing(self) -> Generator[Listed | None, None, str]:
        """Yield the pages, and return what may be missing among them ("" for nothing)."""
        self._close()
        web, memory = self._web()
        sitemap = yield from sitemap_pages(web, self._start, self._is_wanted, self._limits.max_pages)
        dates = sitemap.dates
        starts = [url for url, date in dates.items() if not date] if dates else [self._start]
        max_depth = 0 if dates else self._limits.max_depth
        crawl = Crawl(web, memory, self._scope, self._selection, self._limits)
        found = yield from crawl.documents(starts, max_depth)
        if not dates and not found.documents:
            raise start_failure(self._start, self.name, web)
        if found.refused and self._site_refuses(web):
            raise KnowledgeError(said_by(self._start, REFUSED[1]))
        self._dates = dates
        self._marks = {url: self._mark(memory.get(url), date) for url, date in dates.items() if date}
        dated = [url for url, mark in self._marks.items() if self._may_be_listed(memory.get(url), mark)]
        memory.keep_only({*dates, *found.visited})
        yield from (Listed(url, self._marks[url]) for url in dated)
        for page in found.documents:
            yield Listed(page.url, page.version, found.unanswered.get(page.url, ""))
        return sitemap.lack or found.lack

    def _mark(self, known: RememberedPage | None, date: str) -> str:
        """Give the version of a page that a sitemap dates: that under which it was read, until it is due."""
        mark = f"lastmod {date} "
        if known and known.version.startswith(mark) and not self._limits.is_due(known):
            return known.version
        return f"{mark}seen {datetime.fromtimestamp(time.time(), UTC):%Y-%m-%d}"

    def _may_be_listed(self, known: RememberedPage | None, mark: str) -> bool:
        """Whether nothing speaks against a page of the sitemap that it said when it was read at that date."""
        if known is None or known.version != mark:
            return True
        return known.is_indexed and known.canonical not in self._dates

    def _site_refuses(self, web: PoliteClient) -> bool:
        """Whether it is not one page that is closed, but the site to Lorebot: then no page counts as gone."""
        answer = web.get(Request(self._start, self._limits.max_bytes, may_follow=follow_none))
        return answer.status in REFUSED

    def _is_wanted(self, url: str) -> bool:
        is_ours = self._scope.holds(url) and may_be_document(url)
        return is_ours and self._selection.wants(path_of(url))

    def _fetched(self, web: PoliteClient, uri: str) -> RememberedPage:
        if not web.may_fetch(uri):
            raise VanishedError(f"{uri} may not be read: robots.txt of its server forbids it.")
        response = web.get(Request(uri, self._limits.max_bytes, may_follow=self._may_follow))
        is_closed = response.status in REFUSED and not self._site_refuses(web)
        if is_closed or response.status in (404, 410):
            raise VanishedError(said_by(uri, response.status))
        if response.status != 200:
            raise UnreadableError(said_by(uri, response.status))
        page = remembered(uri, response, web.agent)
        if mark := self._marks.get(uri):
            page = replace(page, version=mark)
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
            self._opened = PoliteClient(*self._guest), PageMemory(self._memory_file)
        return self._opened

    def _close(self) -> None:
        if self._opened is not None:
            web, memory = self._opened
            web.close()
            memory.close()
            self._opened = None


def _date(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
