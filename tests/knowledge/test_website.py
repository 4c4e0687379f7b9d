import gzip
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from web_standins import AT_ONCE, AUDIENCE, Reply, Site, serving

from knowledge.documents import KnowledgeError, Listed, PartialListingError, UnreadableError, VanishedError
from knowledge.sources.website import WebsiteSource
from knowledge.sources.weburls import Scope, may_be_document, normalised


@pytest.fixture
def source_of(tmp_path: Path, site: Site) -> Callable[..., WebsiteSource]:
    def build(path: str = "/", **further: object) -> WebsiteSource:
        arguments = {"allow_private": True, "timing": AT_ONCE} | further
        return WebsiteSource("site", site.url(path), AUDIENCE, tmp_path, **arguments)  # type: ignore[arg-type]

    return build


def versions(source: WebsiteSource) -> dict[str, str]:
    """List, and give the versions by the URLs without scheme and host."""
    return {path_of(listed): listed.version for listed in source.list() if listed}


def paths(source: WebsiteSource) -> list[str]:
    return list(versions(source))


def paths_until_it_ends(source: WebsiteSource) -> tuple[list[str], str]:
    """List, and give the paths with why there may be more."""
    found: list[str] = []
    with pytest.raises(PartialListingError) as ended:
        found.extend(path_of(listed) for listed in source.list() if listed)
    return found, str(ended.value)


def path_of(listed: Listed) -> str:
    return "/" + listed.uri.split("/", 3)[3]


def sitemap(site: Site, *entries: str | tuple[str, str]) -> str:
    urls = ""
    for entry in entries:
        path, date = (entry, "") if isinstance(entry, str) else entry
        lastmod = f"<lastmod>{date}</lastmod>" if date else ""
        urls += f"<url><loc>{site.url(path)}</loc>{lastmod}</url>"
    return f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://Ex.org:80/a/../b?b=2&a=1&utm_source=x&gclid=3#part", "http://ex.org/b?a=1&b=2"),
        ("https://ex.org", "https://ex.org/"),
        ("https://ex.org/%7ejo/%c3%a4?sessionid=9", "https://ex.org/~jo/%C3%A4"),
        ("https://me:secret@ex.org/a;jsessionid=33?", "https://ex.org/a"),
        ("https://ü.example/ä b", "https://xn--tda.example/%C3%A4%20b"),
        ("mailto:a@ex.org", None),
        ("https://ex.org/" + "a" * 3000, None),
    ],
)
def test_one_page_has_one_spelling(url: str, expected: str | None) -> None:
    assert normalised(url) == expected


@pytest.mark.parametrize(
    ("start", "url", "is_within"),
    [
        ("https://ex.org/docs/", "https://ex.org/docs/a", True),
        ("https://ex.org/docs/", "https://ex.org/docs", True),
        ("https://ex.org/docs", "https://ex.org/docs/a", True),
        ("https://ex.org/docs", "https://ex.org/docs-old/a", False),
        ("https://ex.org/docs/index.html", "https://ex.org/docs/a", True),
        ("https://ex.org/docs/", "https://ex.org/blog", False),
        ("https://ex.org/docs/", "https://ex.org/docs/%2E%2E/blog", False),
        ("https://ex.org/docs/", "http://ex.org/docs/a", True),
        ("https://ex.org/", "https://www.ex.org/", False),
        ("https://ex.org/", "https://ex.org:8443/", False),
        ("https://ex.org/", "https://ex.org.evil.example/", False),
    ],
)
def test_pages_at_or_below_the_start_belong_to_the_source(start: str, url: str, is_within: bool) -> None:
    assert Scope(start).holds(url) is is_within


@pytest.mark.parametrize(
    "url", ["http://h/a.png", "http://h/a/b/a/b/a/b/a/b", "http://h" + "/x%d" * 21, "http://h/x.ZIP"]
)
def test_pictures_archives_and_paths_that_go_in_circles_are_not_asked_for(url: str) -> None:
    assert not may_be_document(url)


def test_a_crawl_follows_links_within_the_start_url(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page("/docs/", "a", "/docs/b#part", "/blog", "http://127.0.0.2:9/docs/c", "mailto:x@y", "logo.png")
    site.page("/docs/a", "b", "deep/c?utm_source=a")
    site.page("/docs/b")
    site.page("/docs/deep/c")
    site.page("/blog")
    assert paths(source_of("/docs/")) == ["/docs/", "/docs/a", "/docs/b", "/docs/deep/c"]
    assert "/blog" not in site.paths()


def test_base_and_area_elements_lead_on(site: Site, source_of: Callable[..., WebsiteSource]) -> None:
    site.pages["/"] = Reply('<head><base href="/sub/"></head><a href="a">a</a><map><area href="b"></map>')
    site.page("/sub/a")
    site.page("/sub/b")
    assert paths(source_of()) == ["/", "/sub/a", "/sub/b"]


def test_a_crawl_ends_at_its_depth(site: Site, source_of: Callable[..., WebsiteSource]) -> None:
    for number in range(6):
        site.page(f"/{number}", f"/{number + 1}")
    site.page("/", "/0")
    assert paths(source_of(max_depth=2)) == ["/", "/0", "/1"]


def test_a_crawl_that_ends_at_its_number_of_pages_says_that_there_are_more(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    for number in range(6):
        site.page(f"/{number}", f"/{number + 1}")
    site.page("/", "/0")
    found, said = paths_until_it_ends(source_of(max_pages=4))
    assert found == ["/", "/0", "/1", "/2"]
    assert said == (
        "The listing of source 'site' is not complete, so nothing of it is deleted: "
        f"{site.url()} has more pages than are read; raise max_pages (4), or exclude what is not wanted "
        "(a calendar, a list of versions)."
    )


def test_a_sitemap_that_names_more_than_is_read_says_so(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.pages["/sitemap.xml"] = Reply(
        sitemap(site, *((f"/{n}", "2024-01-01") for n in range(5))), "text/xml"
    )
    found, said = paths_until_it_ends(source_of(max_pages=3))
    assert found == ["/0", "/1", "/2"]
    assert "names more pages than are read; raise max_pages (3)" in said


def test_a_listing_gives_way_at_every_request(site: Site, source_of: Callable[..., WebsiteSource]) -> None:
    site.page("/", "/a", "/b")
    site.page("/a")
    site.page("/b")
    asked = [len(site.asked) for listed in source_of().list() if listed is None]
    assert asked == [1, 2, 3, 4]  # robots.txt, and then before the sitemap and each of three pages


def test_endless_links_end(site: Site, source_of: Callable[..., WebsiteSource]) -> None:
    counts = {"days": 0}

    def calendar(handler: BaseHTTPRequestHandler) -> None:
        counts["days"] += 1
        body = f'<p>day</p><a href="/calendar?day={counts["days"]}">on</a>'.encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    site.page("/", "/calendar?day=0")
    for day in range(200):
        site.pages[f"/calendar?day={day}"] = calendar
    source_days = [path for path in paths(source_of(max_depth=1000)) if "?day=" in path]
    assert len(source_days) == 50


def test_patterns_choose_pages_and_what_is_excluded_is_not_asked_for(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page("/", "/guide/a", "/private/b", "/list")
    site.page("/list", "/guide/c")
    for path in ("/guide/a", "/guide/c", "/private/b"):
        site.page(path)
    assert paths(source_of(include=("guide/**",), exclude=("private",))) == ["/guide/a", "/guide/c"]
    assert "/private/b" not in site.paths()


def test_robots_txt_is_honoured(site: Site, source_of: Callable[..., WebsiteSource]) -> None:
    site.pages["/robots.txt"] = Reply("User-agent: Lorebot\nDisallow: /internal/", "text/plain")
    site.page("/", "/internal/a", "/b")
    site.page("/internal/a")
    site.page("/b")
    source = source_of()
    assert paths(source) == ["/", "/b"]
    with pytest.raises(VanishedError, match=r"robots\.txt"):
        source.read(site.url("/internal/a"))
    assert "/internal/a" not in site.paths()


def test_a_site_that_forbids_everything_says_so(site: Site, source_of: Callable[..., WebsiteSource]) -> None:
    site.pages["/robots.txt"] = Reply("User-agent: *\nDisallow: /", "text/plain")
    site.page("/")
    with pytest.raises(KnowledgeError, match=r"robots\.txt of its server forbids it"):
        paths(source_of())


def test_a_robots_txt_that_is_not_answered_for_makes_the_listing_fail(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.pages["/robots.txt"] = Reply(status=503)
    site.page("/")
    with pytest.raises(
        KnowledgeError,
        match=r"'site' cannot be listed, what was .* stands: .*robots\.txt answers with status 503",
    ):
        paths(source_of())


@pytest.mark.parametrize(
    ("head", "headers"),
    [
        ('<meta name="robots" content="NOINDEX, follow">', {}),
        ('<meta name="lorebot" content="noindex">', {}),
        ("", {"X-Robots-Tag": "noindex"}),
        ("", {"X-Robots-Tag": "otherbot: nofollow, lorebot: noindex"}),
    ],
)
def test_a_page_that_is_not_to_be_indexed_is_left_out_and_its_links_followed(
    site: Site, source_of: Callable[..., WebsiteSource], head: str, headers: dict[str, str]
) -> None:
    site.page("/", "/hidden")
    site.page("/hidden", "/b", head=head, headers=headers)
    site.page("/b")
    assert paths(source_of()) == ["/", "/b"]


def test_noindex_for_another_robot_does_not_count(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page(
        "/", head='<meta name="otherbot" content="noindex">', headers={"X-Robots-Tag": "otherbot: noindex"}
    )
    assert paths(source_of()) == ["/"]


def test_links_of_a_page_that_says_nofollow_are_not_followed(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page("/", "/a", head='<meta name="robots" content="nofollow">')
    site.page("/a")
    assert paths(source_of()) == ["/"]


def test_copies_that_name_one_original_are_one_document(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page("/", "/print/a", "/a?view=1")
    for copy in ("/print/a", "/a?view=1"):
        site.page(copy, head='<link rel="canonical" href="/a">')
    site.page("/a", head='<link rel="canonical" href="/a">')
    assert paths(source_of()) == ["/", "/a"]


def test_pages_that_name_each_other_or_one_that_is_gone_are_kept(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page("/", "/a", "/b", "/c")
    site.page("/a", head='<link rel="canonical" href="/b">')
    site.page("/b", head='<link rel="canonical" href="/a">')
    site.page("/c", head='<link rel="canonical" href="/gone">')
    assert paths(source_of()) == ["/", "/a", "/b", "/c"]


def test_a_redirect_within_the_site_leads_to_the_document(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page("/", "/old", "/loop", "/out")
    site.pages["/old"] = Reply(status=301, headers={"Location": "/new"})
    site.pages["/loop"] = Reply(status=302, headers={"Location": "/loop"})
    site.pages["/out"] = Reply(status=302, headers={"Location": "http://169.254.169.254/latest/"})
    site.page("/new")
    assert paths(source_of()) == ["/", "/new"]


def test_a_start_url_that_has_moved_to_another_host_says_where(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.pages["/"] = Reply(status=301, headers={"Location": "https://www.example.org/docs"})
    with pytest.raises(
        KnowledgeError, match=r"redirects to https://www\.example\.org/docs; make that the url"
    ):
        paths(source_of())


def test_a_start_url_that_is_gone_is_an_error_and_not_an_empty_listing(
    source_of: Callable[..., WebsiteSource],
) -> None:
    with pytest.raises(KnowledgeError, match="answers with status 404"):
        paths(source_of())


@pytest.mark.parametrize("status", [404, 410, 403, 401])
def test_a_page_that_is_gone_is_not_listed(
    site: Site, source_of: Callable[..., WebsiteSource], status: int
) -> None:
    site.page("/", "/a")
    site.page("/a", status=status)
    assert paths(source_of()) == ["/"]


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_page_that_is_not_answered_for_is_listed_as_unreadable_and_what_lies_behind_it_as_before(
    site: Site, source_of: Callable[..., WebsiteSource], status: int
) -> None:
    site.page("/", "/a", "/b")
    site.page("/a", "/c")
    site.page("/b")
    site.page("/c")
    before = versions(source_of())
    site.page("/a", status=status)
    after = {path_of(listed): listed for listed in source_of().list() if listed}
    assert {path for path in before if before[path] != after[path].version} == {"/a"}
    assert f"/a answers with status {status}" in after["/a"].unreadable


def test_what_lies_behind_an_unanswered_page_that_was_never_seen_is_not_known(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page("/", "/a")
    site.page("/a", status=500)
    found, said = paths_until_it_ends(source_of())
    assert found == ["/", "/a"]
    assert said.endswith(f"What they link to is not known: {site.url('/a')} answers with status 500.")


def test_a_site_that_goes_down_while_it_is_listed_is_no_listing(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    def going_down(handler: BaseHTTPRequestHandler) -> None:
        site.page("/", status=503)
        handler.send_response(503)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    links = [f"/{number}" for number in range(30)]
    site.page("/", *links)
    for link in links:
        site.pages[link] = going_down
    with pytest.raises(KnowledgeError, match="cannot be listed, what was indexed before stands") as failed:
        paths(source_of())
    assert not isinstance(failed.value, PartialListingError)
    assert len(set(site.paths(0))) == 5


def test_many_pages_that_are_not_answered_for_end_the_listing(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    links = [f"/{number}" for number in range(150)]
    site.page("/", *links)
    for link in links:
        site.page(link, status=500)
    found, said = paths_until_it_ends(source_of())
    assert len(found) == 102
    assert "More than 100 pages" in said


@pytest.mark.parametrize("status", [401, 403])
def test_a_site_that_closes_while_it_is_listed_is_no_listing(
    site: Site, source_of: Callable[..., WebsiteSource], status: int
) -> None:
    def closing(handler: BaseHTTPRequestHandler) -> None:
        for path in ("/", "/a", "/b"):
            site.page(path, status=status)
        handler.send_response(status)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    site.page("/", "/a", "/b")
    site.page("/b")
    site.pages["/a"] = closing
    with pytest.raises(KnowledgeError, match="it refuses Lorebot; allow its address or its User-Agent"):
        paths(source_of())


def test_a_start_url_that_wants_a_login_says_so(site: Site, source_of: Callable[..., WebsiteSource]) -> None:
    site.page("/", status=401)
    with pytest.raises(KnowledgeError, match="status 401: it asks for a login, and Lorebot has none"):
        paths(source_of())


def test_a_start_url_that_redirects_to_itself_says_so(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.pages["/"] = Reply(status=302, headers={"Location": "/"})
    with pytest.raises(KnowledgeError, match="redirects to itself; it may want cookies or a login"):
        paths(source_of())


def test_a_server_that_is_busy_once_is_asked_again(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    def busy(handler: BaseHTTPRequestHandler) -> None:
        site.page("/")
        handler.send_response(503)
        handler.send_header("Retry-After", "0")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    site.pages["/"] = busy
    assert paths(source_of()) == ["/"]


def test_the_version_follows_the_content(site: Site, source_of: Callable[..., WebsiteSource]) -> None:
    site.page("/", "/a")
    site.page("/a", text="one")
    before = versions(source_of())
    same = versions(source_of())
    site.page("/a", text="two")
    after = versions(source_of())
    assert same == before
    assert (after["/"] == before["/"], after["/a"] == before["/a"]) == (True, False)


def test_an_unchanged_page_is_not_transferred_again_and_still_leads_on(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page("/", "/a", etag='"1"')
    site.page("/a", etag='"1"')
    first = versions(source_of())
    site.asked.clear()
    assert versions(source_of()) == first
    assert site.paths(200) == [] and site.paths(304) == ["/", "/a"]


def test_a_date_is_a_validator_where_there_is_no_etag(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    date = "Tue, 14 Nov 2023 22:13:20 GMT"
    site.page("/", headers={"Last-Modified": date})
    versions(source_of())
    versions(source_of())
    assert site.headers_of["/"]["if-modified-since"] == date


def test_a_page_whose_etag_lies_is_loaded_again_after_a_while(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page("/", text="old words", etag='"always the same"')
    before = versions(source_of())
    site.page("/", text="new words", etag='"always the same"')
    believed = versions(source_of())
    checked = versions(source_of(recheck_seconds=0.0))
    assert (believed == before, checked == before) == (True, False)


def test_a_page_whose_date_in_the_sitemap_lies_is_loaded_again_after_a_while(
    site: Site, source_of: Callable[..., WebsiteSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages["/sitemap.xml"] = Reply(sitemap(site, ("/a", "2024-01-02")), "text/xml")
    site.page("/a")
    source = source_of()
    first = versions(source)
    source.read(site.url("/a"))
    believed = versions(source_of())
    three_weeks_later = time.time() + 21 * 86_400
    monkeypatch.setattr("knowledge.sources.crawling.time.time", lambda: three_weeks_later)
    checked = versions(source_of())
    assert (believed == first, checked == first) == (True, False)


def test_a_page_that_leaves_the_site_and_comes_back_is_loaded_again(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page("/", "/a", etag='"1"')
    site.page("/a", etag='"a"')
    first = versions(source_of())
    site.page("/", etag='"2"')
    assert list(versions(source_of())) == ["/"]
    site.page("/", "/a", etag='"1"')
    assert versions(source_of()) == first
    assert site.paths(200).count("/a") == 2


def test_a_damaged_memory_is_made_anew(
    site: Site, source_of: Callable[..., WebsiteSource], tmp_path: Path
) -> None:
    site.page("/")
    first = versions(source_of())
    for file in tmp_path.iterdir():
        file.write_bytes(b"not a database " * 100)
    assert versions(source_of()) == first


def test_a_document_carries_its_name_content_date_and_url(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page("/", "/guide/Über uns")
    site.page(
        "/guide/%C3%9Cber%20uns", text="Grüße", headers={"Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT"}
    )
    source = source_of()
    list(source.list())
    uri = site.url("/guide/%C3%9Cber%20uns")
    raw = source.read(uri)
    assert (raw.uri, raw.url, raw.name) == (uri, uri, "Über uns.html")
    assert "Grüße" in raw.content.decode()
    assert raw.modified_at == datetime.fromtimestamp(1_700_000_000, UTC)


def test_a_page_is_read_as_it_was_listed_without_another_request(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page("/", text="as listed")
    source = source_of()
    list(source.list())
    site.page("/", text="changed since")
    assert b"as listed" in source.read(site.url()).content


def test_a_page_can_be_read_again(site: Site, source_of: Callable[..., WebsiteSource]) -> None:
    site.page("/", text="words", etag='"1"')
    source = source_of()
    list(source.list())
    assert source.read(site.url()).content == source.read(site.url()).content


@pytest.mark.parametrize(
    ("path", "content_type", "name"),
    [
        ("/a", "text/html", "a.html"),
        ("/a.aspx", "text/html;charset=utf-8", "a.aspx.html"),
        ("/", "application/xhtml+xml", "index.html"),
        ("/paper", "application/pdf", "paper.pdf"),
        ("/paper.pdf", "application/octet-stream", "paper.pdf"),
        ("/a.md", "text/plain", "a.md"),
        ("/a", "text/plain", "a.txt"),
        ("/v1.2", "text/markdown", "v1.2.md"),
    ],
)
def test_the_content_type_tells_how_a_page_is_converted(
    site: Site, source_of: Callable[..., WebsiteSource], path: str, content_type: str, name: str
) -> None:
    site.page("/start", path)
    site.pages[path] = Reply("words", content_type)
    site.pages["/robots.txt"] = Reply("Sitemap: " + site.url("/map.xml"), "text/plain")
    site.pages["/map.xml"] = Reply(sitemap(site, path), "application/xml")
    source = source_of()
    list(source.list())
    assert source.read(site.url(path)).name == name


@pytest.mark.parametrize("content_type", ["image/png", "application/zip", "text/css", ""])
def test_what_is_of_no_readable_type_is_left_out(
    site: Site, source_of: Callable[..., WebsiteSource], content_type: str
) -> None:
    site.page("/", "/thing")
    site.pages["/thing"] = Reply(b"\x89PNG", content_type)
    assert paths(source_of()) == ["/"]


def test_the_encoding_that_the_server_tells_is_used(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.pages["/"] = Reply("<p>Привет, мир</p>".encode("koi8-r"), "text/html; charset=KOI8-R")
    source = source_of()
    list(source.list())
    assert "Привет" in source.read(site.url()).content.decode()


def test_a_file_over_the_limit_is_listed_and_refused_with_both_sizes(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page("/", "/big.pdf")
    site.pages["/big.pdf"] = Reply(b"x" * 61_000, "application/pdf")
    source = source_of(max_bytes=50_000)
    assert paths(source) == ["/", "/big.pdf"]
    with pytest.raises(UnreadableError, match=r"big\.pdf is 61 KB; the limit is 50 KB \(max_bytes\)\."):
        source.read(site.url("/big.pdf"))


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.2:9/", "file:///etc/passwd", "/a", "{site}/blog", "{site}/docs/a#b"]
)
def test_a_uri_that_is_no_page_of_the_source_is_refused(
    site: Site, source_of: Callable[..., WebsiteSource], uri: str
) -> None:
    with pytest.raises(UnreadableError, match="is not a page of source 'site'"):
        source_of("/docs/").read(uri.format(site=site.url("")))


def test_a_sitemap_is_used_where_there_is_one(site: Site, source_of: Callable[..., WebsiteSource]) -> None:
    site.pages["/sitemap.xml"] = Reply(
        sitemap(site, ("/docs/b", "2024-01-02"), ("/docs/a", "2024-01-01"), ("/blog", "2024-01-01")),
        "text/xml",
    )
    site.page("/docs/", "/docs/only-linked")
    source = source_of("/docs/")
    found = versions(source)
    assert list(found) == ["/docs/b", "/docs/a"]
    assert found["/docs/b"].startswith("lastmod 2024-01-02 ")
    assert set(site.paths()) == {"/sitemap.xml"}


def test_a_page_of_the_sitemap_is_read_with_its_date(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.pages["/sitemap.xml"] = Reply(sitemap(site, ("/a", "2024-01-02")), "text/xml")
    site.page("/a")
    source = source_of()
    list(source.list())
    assert source.read(site.url("/a")).modified_at == datetime(2024, 1, 2, tzinfo=UTC)


def test_pages_of_the_sitemap_without_a_date_are_asked_whether_they_changed(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.pages["/sitemap.xml"] = Reply(sitemap(site, "/a", ("/b", "2024-01-01"), "/gone"), "text/xml")
    site.page("/a", "/c", etag='"1"')
    first = versions(source_of())
    assert versions(source_of()) == first
    assert first.keys() == {"/a", "/b"}
    assert site.paths(304) == ["/a"] and "/c" not in site.paths()


def test_what_a_crawl_saw_is_not_taken_for_what_a_later_sitemap_dates(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page("/", text="old words")
    list(source_of().list())
    site.page("/", text="new words")
    site.pages["/sitemap.xml"] = Reply(sitemap(site, ("/", "2024-01-01")), "text/xml")
    source = source_of()
    list(source.list())
    assert b"new words" in source.read(site.url()).content


def test_sitemaps_that_robots_txt_names_are_followed_through_indexes_and_packing(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.pages["/robots.txt"] = Reply(f"Sitemap: {site.url('/maps/index.xml')}", "text/plain")
    entries = "".join(
        f"<sitemap><loc>{site.url(path)}</loc></sitemap>" for path in ("/maps/1.gz", "/maps/index.xml")
    )
    site.pages["/maps/index.xml"] = Reply(f"<sitemapindex>{entries}</sitemapindex>", "text/xml")
    packed = gzip.compress(sitemap(site, ("/a", "2024-01-01")).encode())
    site.pages["/maps/1.gz"] = Reply(packed, "application/gzip")
    assert paths(source_of()) == ["/a"]


@pytest.mark.parametrize("body", ["<html><body>Not found</body></html>", "<urlset></urlset>", ""])
def test_a_sitemap_that_is_none_or_empty_leaves_the_site_to_a_crawl(
    site: Site, source_of: Callable[..., WebsiteSource], body: str
) -> None:
    site.pages["/sitemap.xml"] = Reply(body)
    site.page("/")
    assert paths(source_of()) == ["/"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply("<urlset><url><loc>http://127.0.0.1/a</loc></url>", "text/xml"),
        Reply(gzip.compress(b"<urlset></urlset>" * 99)[:-9], "application/gzip"),
        Reply(gzip.compress(b"<urlset>" + b" " * 60_000_000), "application/gzip"),
        Reply(status=500),
    ],
    ids=["cut off", "packed and cut off", "bomb", "server error"],
)
def test_a_damaged_sitemap_makes_the_listing_fail(
    site: Site, source_of: Callable[..., WebsiteSource], reply: Reply
) -> None:
    site.pages["/sitemap.xml"] = reply
    site.page("/")
    with pytest.raises(KnowledgeError, match=r"cannot be listed, .*sitemap\.xml"):
        paths(source_of())


def test_entities_of_a_sitemap_are_not_resolved(
    site: Site, source_of: Callable[..., WebsiteSource], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    site.pages["/sitemap.xml"] = Reply(
        f'<!DOCTYPE urlset [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]>'
        f"<urlset><url><loc>{site.url('/')}&x;</loc><lastmod>2024</lastmod></url></urlset>",
        "text/xml",
    )
    assert "secret" not in " ".join(paths(source_of()))


def test_a_page_of_the_sitemap_that_turns_out_not_to_be_indexed_is_not_listed_again(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.pages["/sitemap.xml"] = Reply(
        sitemap(site, ("/a", "2024"), ("/hidden", "2024"), ("/copy", "2024")), "text/xml"
    )
    site.page("/a")
    site.page("/hidden", head='<meta name="robots" content="noindex">')
    site.pages["/copy"] = Reply(status=301, headers={"Location": "/a"})
    source = source_of()
    assert paths(source) == ["/a", "/hidden", "/copy"]
    for path in ("/hidden", "/copy"):
        with pytest.raises(VanishedError):
            source.read(site.url(path))
    assert paths(source_of()) == ["/a"]


def test_a_page_that_is_gone_when_it_is_read_has_vanished(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.pages["/sitemap.xml"] = Reply(sitemap(site, ("/a", "2024")), "text/xml")
    source = source_of()
    list(source.list())
    with pytest.raises(VanishedError, match="answers with status 404"):
        source.read(site.url("/a"))


def test_a_page_that_is_closed_when_it_is_read_has_vanished_unless_the_whole_site_is_closed(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.pages["/sitemap.xml"] = Reply(sitemap(site, ("/a", "2024")), "text/xml")
    site.page("/")
    site.page("/a", status=403)
    source = source_of()
    paths(source)
    with pytest.raises(VanishedError):
        source.read(site.url("/a"))
    site.page("/", status=403)
    with pytest.raises(UnreadableError, match="it refuses Lorebot"):
        source.read(site.url("/a"))


def test_a_page_whose_server_is_down_when_it_is_read_is_unreadable(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.pages["/sitemap.xml"] = Reply(sitemap(site, ("/a", "2024")), "text/xml")
    site.page("/a", status=500)
    source = source_of()
    list(source.list())
    with pytest.raises(UnreadableError, match="answers with status 500"):
        source.read(site.url("/a"))


def test_a_site_in_ones_own_network_is_refused_unless_it_is_allowed(
    site: Site, source_of: Callable[..., WebsiteSource]
) -> None:
    site.page("/")
    with pytest.raises(
        KnowledgeError, match="not a public address; to read it all the same, set allow_private"
    ):
        paths(source_of(allow_private=False))
    assert site.asked == []


def test_a_sitemap_cannot_lead_into_ones_own_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.sources.politeness.is_public", lambda address: address == "127.0.0.1")
    with serving("127.0.0.1") as site, serving("127.0.0.2") as inner:
        site.pages["/robots.txt"] = Reply(f"Sitemap: {inner.url('/map.xml')}", "text/plain")
        site.page("/")
        source = WebsiteSource("site", site.url(), AUDIENCE, tmp_path, timing=AT_ONCE)
        with pytest.raises(KnowledgeError, match=r"127\.0\.0\.2, which is not a public address"):
            paths(source)
        assert inner.asked == []


@pytest.mark.parametrize("start_url", ["file:///etc/passwd", "docs.example.org", ""])
def test_a_start_url_that_is_none_is_refused(tmp_path: Path, start_url: str) -> None:
    with pytest.raises(KnowledgeError, match="no http or https URL"):
        WebsiteSource("site", start_url, AUDIENCE, tmp_path)
