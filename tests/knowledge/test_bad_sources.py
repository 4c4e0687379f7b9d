"""What a sync makes of sources that are down, slow, endless, closed, or lie: one line, and the old index."""

from __future__ import annotations

import errno
import itertools
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from index_standins import Index
from web_standins import AT_ONCE, AUDIENCE, Reply, Site, serving

from knowledge.documents import KnowledgeError, Listed, RawDocument, Source
from knowledge.sources.feed import FeedSource
from knowledge.sources.folder import FolderSource
from knowledge.sources.git import GitSource
from knowledge.sources.objects import ObjectsSource
from knowledge.sources.politeness import Timing
from knowledge.sources.website import WebsiteSource
from knowledge.sync_report import SyncOptions, SyncReport

IMPATIENT = Timing(delay_seconds=0.0, retry_seconds=0.0, idle_seconds=0.5, total_seconds=1.0)
Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """An index whose converter only decodes: pages stay HTML."""
    return Index(tmp_path / "home")


def sync(index: Index, source: Source, **options: object) -> SyncReport:
    return index.synchronizer.sync(
        source,
        on_progress=lambda _: None,
        cancelled=threading.Event(),
        options=SyncOptions(**options),  # type: ignore[arg-type]
    )


def why_not(index: Index, source: Source, **options: object) -> str:
    """Sync a source that cannot be listed, and give the line that says so."""
    with pytest.raises(KnowledgeError) as failed:
        sync(index, source, **options)
    line = str(failed.value)
    assert "\n" not in line
    assert index.catalog.last_syncs()[source.name].outcome == f"failed: {line}"
    return line


def uris(index: Index, source: Source) -> set[str]:
    return set(index.catalog.known(source.name))


# Servers


@pytest.fixture
def website(tmp_path: Path, site: Site) -> Callable[..., WebsiteSource]:
    def build(**further: object) -> WebsiteSource:
        arguments = {"allow_private": True, "timing": AT_ONCE} | further
        return WebsiteSource("site", site.url(), AUDIENCE, tmp_path / "pages", **arguments)  # type: ignore[arg-type]

    return build


def silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(3)
    handler.close_connection = True


def dripping(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    _write(handler, itertools.repeat(b"x"), pause=0.1)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Connection", "close")
    handler.end_headers()
    _write(handler, itertools.repeat(b"<p>more</p>" * 10_000))


def hanging_up(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhal")
    handler.close_connection = True


def _write(handler: BaseHTTPRequestHandler, parts: Iterator[bytes], pause: float = 0.0) -> None:
    try:
        for part in itertools.islice(parts, 600):
            handler.wfile.write(part)
            handler.wfile.flush()
            time.sleep(pause)
    except OSError:
        pass
    handler.close_connection = True


def to_itself(path: str) -> Reply:
    return Reply(status=302, headers={"Location": path})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (silent, "does not answer in time"),
        (dripping, "does not answer in time"),
        (endless, "is larger than 1,000,000 bytes"),
        (hanging_up, "cannot be reached: "),
        (to_itself("/"), "redirects to itself; it may want cookies or a login"),
        (Reply(status=500), "answers with status 500"),
        (Reply(status=401), "status 401: it asks for a login, and Lorebot has none"),
        (Reply(status=403), "status 403: it refuses Lorebot; allow its address or its User-Agent there"),
        (Reply(status=404), "status 404: it is not there; check the address"),
        (Reply(b"\x89PNG", "image/png"), "leads to no page that may be read"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_site_that_goes_bad_says_how_and_what_was_known_of_it_stays(
    index: Index, site: Site, website: Callable[..., WebsiteSource], answer: Reply | Answer, said: str
) -> None:
    site.page("/", "/a", "/b")
    site.page("/a")
    site.page("/b")
    sync(index, website())
    before = index.texts()
    for path in ("/", "/a", "/b"):
        site.pages[path] = answer
    # Only a server that is slow on purpose may be given up for slowness.
    timing = IMPATIENT if answer in (silent, dripping) else AT_ONCE
    line = why_not(index, website(timing=timing, max_bytes=1_000_000))
    assert line.startswith("Source 'site' cannot be listed, what was indexed before stands: ")
    assert said in line and site.url() in line
    assert index.texts() == before != []


def test_a_site_whose_server_is_gone_says_so_and_what_was_known_of_it_stays(
    index: Index, tmp_path: Path
) -> None:
    with serving() as site:
        site.page("/")
        source = WebsiteSource("site", site.url(), AUDIENCE, tmp_path, allow_private=True, timing=AT_ONCE)
        sync(index, source)
    assert "Connection refused" in why_not(index, source)
    assert len(index.texts()) == 1


def test_a_robots_txt_that_is_not_answered_for_keeps_everything_and_no_page_is_asked_for(
    index: Index, site: Site, website: Callable[..., WebsiteSource]
) -> None:
    site.page("/", "/a")
    site.page("/a")
    sync(index, website())
    site.pages["/robots.txt"] = Reply(status=503)
    site.asked.clear()
    assert "/robots.txt answers with status 503" in why_not(index, website())
    assert (len(index.texts()), set(site.paths())) == (2, set())


def test_one_page_that_is_broken_for_good_is_told_once_and_holds_up_no_other(
    index: Index, site: Site, website: Callable[..., WebsiteSource]
) -> None:
    site.page("/", "/broken", "/a", "/gone")
    site.page("/broken", "/behind", text="The old words.")
    for path in ("/a", "/behind", "/gone"):
        site.page(path)
    sync(index, website())
    site.page("/broken", status=500)
    site.page("/a", text="New words.")
    del site.pages["/gone"]
    first, second = sync(index, website()), sync(index, website())
    assert first.changed == (site.url("/a"),)
    assert first.removed == (site.url("/gone"),)
    assert [failure.error for failure in first.failed] == [f"{site.url('/broken')} answers with status 500."]
    assert (second.failed, second.still_failing) == ((), 1)
    assert uris(index, website()) == {site.url(path) for path in ("/", "/broken", "/a", "/behind")}


def test_a_page_that_answers_again_fails_no_longer(
    index: Index, site: Site, website: Callable[..., WebsiteSource]
) -> None:
    site.page("/", "/a")
    site.page("/a")
    sync(index, website())
    site.page("/a", status=500)
    sync(index, website())
    site.page("/a")
    report = sync(index, website())
    assert (report.unchanged, report.failed, report.still_failing) == (2, (), 0)
    assert index.catalog.failures("site") == ()


def test_a_page_that_was_public_and_is_closed_disappears(
    index: Index, site: Site, website: Callable[..., WebsiteSource]
) -> None:
    site.page("/", "/a")
    site.page("/a")
    sync(index, website())
    site.page("/a", status=403)
    assert sync(index, website()).removed == (site.url("/a"),)


# Traps for crawlers


def trap(links: Callable[[str, int], str]) -> Answer:
    """Pages without end, each of which links to the next one."""
    count = itertools.count(1)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        link = links(handler.path, next(count))
        body = f"<p>Nothing to see.</p><a href='{link}'>on</a>".encode()
        handler.send_response(200 if handler.path.startswith("/trap") else 404)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.mark.parametrize(
    "links",
    [
        lambda _path, count: f"/trap/{2000 + count // 12}/{count % 12}",
        lambda _path, count: f"/trap?page={count}",
        lambda path, count: f"{path.partition('?')[0]}?page={count}&sort={count % 7}",
        lambda _path, count: f"/trap;jsessionid={count}",
        lambda _path, count: f"/trap?sid={count}",
        lambda path, _count: f"{path}/trap",
    ],
    ids=["calendar", "pages", "filters", "session in the path", "session in the query", "growing path"],
)
def test_a_trap_for_crawlers_ends_and_the_rest_of_the_site_is_indexed(
    index: Index, site: Site, website: Callable[..., WebsiteSource], links: Callable[[str, int], str]
) -> None:
    site.page("/", "/trap", "/a", "/b")
    site.page("/a")
    site.page("/b")
    site.otherwise = trap(links)
    sync(index, website(max_pages=60, max_depth=1000))
    assert {site.url("/"), site.url("/a"), site.url("/b")} <= uris(index, website())
    assert len(uris(index, website())) <= 60


def test_a_listing_that_is_cut_off_deletes_nothing_and_says_what_to_do(
    index: Index, site: Site, website: Callable[..., WebsiteSource]
) -> None:
    site.page("/", "/a", "/b")
    site.page("/a")
    site.page("/b")
    sync(index, website())
    site.page("/", "/new", "/a", "/b")
    site.page("/new")
    report = sync(index, website(max_pages=2))
    assert (report.added, report.removed) == ((site.url("/new"),), ())
    (failure,) = report.failed
    assert failure.error.startswith(
        "The listing of source 'site' is not complete, so nothing of it is deleted"
    )
    assert "raise max_pages (2), or exclude what is not wanted" in failure.error


# Listings


@dataclass
class Listing:
    """A source that lists what it is given."""

    entries: Iterator[Listed | None]
    name: str = "handbook"
    audience: frozenset[str] = AUDIENCE

    def list(self) -> Iterator[Listed | None]:
        yield from self.entries

    def read(self, uri: str) -> RawDocument:
        return RawDocument(uri, uri, f"The words of {uri}.".encode())


def test_a_uri_that_is_listed_twice_is_one_document(index: Index) -> None:
    twice = [Listed("a.md", "1"), Listed("b.md", "1"), Listed("a.md", "2")]
    report = sync(index, Listing(iter(twice)))
    assert report.added == ("a.md", "b.md")
    assert sync(index, Listing(iter(twice))).unchanged == 2


def test_a_source_that_lists_without_end_fails_and_says_what_to_do(index: Index) -> None:
    sync(index, Listing(iter([Listed("a.md", "1")])))
    without_end = (Listed(f"{number}.md", "1") for number in itertools.count())
    assert why_not(index, Listing(without_end), max_documents=1000) == (
        "Source 'handbook' lists more than 1,000 documents: narrow it by include and exclude, or raise "
        "max_documents under [sync]. What was indexed before stands."
    )
    assert index.texts() == ["The words of a.md."]


@pytest.mark.parametrize("entry", [None, Listed("a.md", "1")])
def test_a_listing_without_end_can_be_cancelled(index: Index, entry: Listed | None) -> None:
    cancelled = threading.Event()

    def entries() -> Iterator[Listed | None]:
        for number in itertools.count():
            if number == 1000:
                cancelled.set()
            yield entry

    report = index.synchronizer.sync(
        Listing(entries()), on_progress=lambda _: None, cancelled=cancelled, options=SyncOptions()
    )
    assert (report.cancelled, report.removed) == (True, ())


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("generator raised StopIteration\nand more"), "RuntimeError: generator raised"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (RecursionError("maximum recursion depth exceeded"), "RecursionError"),
    ],
)
def test_a_surprise_while_listing_is_one_line_and_deletes_nothing(
    index: Index, error: Exception, said: str
) -> None:
    def breaking_off() -> Iterator[Listed]:
        yield Listed("a.md", "1")
        raise error

    sync(index, Listing(iter([Listed("a.md", "1"), Listed("b.md", "1")])))
    line = why_not(index, Listing(breaking_off()))
    assert line.startswith("Source 'handbook' cannot be listed (") and said in line
    assert len(index.texts()) == 2


def folder(path: Path, **further: object) -> FolderSource:
    return FolderSource("handbook", path, AUDIENCE, **further)  # type: ignore[arg-type]


def emptied_folder(path: Path) -> Source:
    for file in path.glob("*.md"):
        file.unlink()
    return folder(path)


def unmounted_folder(path: Path) -> Source:
    path.rename(path.with_name("elsewhere"))
    return folder(path)


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    path = tmp_path / "documents"
    path.mkdir()
    for number in range(20):
        (path / f"{number:02}.md").write_text(f"Words of number {number}.")
    return path


def test_a_folder_that_is_suddenly_empty_keeps_its_documents_and_asks(index: Index, documents: Path) -> None:
    sync(index, folder(documents))
    report = sync(index, emptied_folder(documents))
    assert (report.removed, report.passages_live) == ((), 20)
    (failure,) = report.failed
    assert failure.error.startswith("20 of 20 documents are gone from source 'handbook': they are kept")


def test_a_folder_that_is_not_mounted_keeps_its_documents_and_is_named(index: Index, documents: Path) -> None:
    sync(index, folder(documents))
    line = why_not(index, unmounted_folder(documents))
    assert str(documents) in line and "'handbook'" in line
    assert len(index.texts()) == 20


def test_an_object_store_that_is_suddenly_not_there_keeps_its_documents(index: Index) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    store.pipe("/bad-sources/a.md", b"Words.")
    source = ObjectsSource("handbook", "memory://bad-sources", AUDIENCE)
    sync(index, source)
    store.rm("/bad-sources", recursive=True)
    assert why_not(index, source) == "memory://bad-sources of source 'handbook' does not exist."
    assert index.texts() == ["Words."]


def test_an_entry_that_a_feed_shows_twice_is_one_document(index: Index, site: Site, tmp_path: Path) -> None:
    entry = "<item><guid isPermaLink='false'>1</guid><title>One</title></item>"
    site.pages["/"] = Reply(f"<rss version='2.0'><channel>{entry * 3}</channel></rss>", "application/rss+xml")
    source = FeedSource("news", site.url(), AUDIENCE, tmp_path / "feed", allow_private=True, timing=AT_ONCE)
    assert sync(index, source).added == ("1",)


def test_a_feed_that_shows_nothing_any_more_keeps_what_it_showed(
    index: Index, site: Site, tmp_path: Path
) -> None:
    entry = "<item><guid isPermaLink='false'>1</guid><title>One</title></item>"
    source = FeedSource("news", site.url(), AUDIENCE, tmp_path / "feed", allow_private=True, timing=AT_ONCE)
    for body in (entry, ""):
        site.pages["/"] = Reply(f"<rss version='2.0'><channel>{body}</channel></rss>", "application/rss+xml")
        report = sync(index, source)
    assert (report.removed, report.unchanged) == ((), 1)


def test_a_repository_that_wants_a_password_says_so_and_asks_nobody(
    index: Index, site: Site, tmp_path: Path
) -> None:
    site.otherwise = Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
    source = GitSource("code", site.url("/team/code.git"), "main", tmp_path / "clone", AUDIENCE)
    line = why_not(index, source)
    assert re.search(r"team/code\.git.*source 'code'", line)
    assert "credential" in line or "password" in line or "login" in line


# Versions that lie


def test_a_file_that_was_replaced_under_its_old_date_and_size_is_read_again(
    index: Index, documents: Path
) -> None:
    sync(index, folder(documents))
    file = documents / "07.md"
    before = file.stat()
    file.write_text("Words of number X.")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    assert sync(index, folder(documents)).changed == ("07.md",)


def test_documents_whose_versions_change_though_they_do_not_are_not_embedded_again(
    index: Index, documents: Path
) -> None:
    sync(index, folder(documents))
    for file in documents.iterdir():
        os.utime(file, (1, 1))
    report = sync(index, folder(documents))
    assert (report.unchanged, report.changed, report.passages_embedded) == (20, (), 0)


def test_a_file_that_never_stops_changing_keeps_its_old_text_and_holds_up_no_other(
    index: Index, documents: Path
) -> None:
    sync(index, folder(documents))
    growing, stop = documents / "07.md", threading.Event()

    def grow() -> None:
        while not stop.is_set():
            with growing.open("a") as file:
                file.write("x")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        (documents / "08.md").write_text("New words.")
        report = sync(index, folder(documents))
    finally:
        stop.set()
        writer.join()
    assert "08.md" in report.changed
    assert report.removed == ()
    assert all("it is read again in the next sync" in failure.error for failure in report.failed)
    assert report.passages_live == 20
