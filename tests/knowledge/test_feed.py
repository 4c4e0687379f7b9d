from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from web_standins import AT_ONCE, AUDIENCE, Reply, Site

from knowledge.conversion import to_markdown
from knowledge.documents import KnowledgeError, VanishedError
from knowledge.sources.feed import FeedSource


@pytest.fixture
def source_of(tmp_path: Path, site: Site) -> Callable[..., FeedSource]:
    def build(**further: object) -> FeedSource:
        arguments = {"allow_private": True, "timing": AT_ONCE} | further
        return FeedSource("news", site.url("/feed"), AUDIENCE, tmp_path, **arguments)  # type: ignore[arg-type]

    return build


def rss(*items: str) -> Reply:
    body = f"<rss version='2.0'><channel><title>News</title>{''.join(items)}</channel></rss>"
    return Reply(body, "application/rss+xml", etag=f'"{abs(hash(body))}"')


def item(guid: str, text: str = "Words.") -> str:
    own = f"<guid isPermaLink='false'>{guid}</guid><title>T {guid}</title>"
    return f"<item>{own}<description>{text}</description></item>"


ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title><entry>
<id>tag:example.org,2023:1</id><title type="html">Open &lt;b&gt;all&lt;/b&gt; night</title>
<link href="https://example.org/posts/1"/><updated>2023-11-14T22:13:20Z</updated>
<content type="html">&lt;p&gt;We open at nine.&lt;script&gt;x()&lt;/script&gt;&lt;/p&gt;</content>
</entry></feed>"""


def uris(source: FeedSource) -> list[str]:
    return [listed.uri for listed in source.list()]


def test_each_entry_is_a_document(site: Site, source_of: Callable[..., FeedSource]) -> None:
    site.pages["/feed"] = rss(item("2"), item("1"))
    assert uris(source_of()) == ["2", "1"]


def test_a_document_carries_title_content_link_and_date(
    site: Site, source_of: Callable[..., FeedSource]
) -> None:
    site.pages["/feed"] = Reply(ATOM, "application/atom+xml")
    source = source_of()
    (uri,) = uris(source)
    raw = source.read(uri)
    assert (raw.uri, raw.name, raw.url) == (
        "tag:example.org,2023:1",
        "entry.html",
        "https://example.org/posts/1",
    )
    assert raw.modified_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert b"script" not in raw.content
    document = to_markdown(raw)
    assert document.title == "Open all night"
    assert "We open" in document.markdown


def test_plain_text_is_not_taken_for_markup(site: Site, source_of: Callable[..., FeedSource]) -> None:
    content = "<content type='text'>if a &lt;b and c</content>"
    site.pages["/feed"] = Reply(
        ATOM[: ATOM.index("<content")] + content + "</entry></feed>", "application/atom+xml"
    )
    source = source_of()
    (uri,) = uris(source)
    assert b"if a &lt;b and c" in source.read(uri).content


def test_entries_that_leave_the_feed_are_kept_and_can_be_read(
    site: Site, source_of: Callable[..., FeedSource]
) -> None:
    site.pages["/feed"] = rss(item("2"), item("1", "The first."))
    uris(source_of())
    site.pages["/feed"] = rss(item("3"), item("2"))
    source = source_of()
    assert uris(source) == ["3", "2", "1"]
    assert b"The first." in source.read("1").content


def test_the_oldest_entries_leave_beyond_the_limit(site: Site, source_of: Callable[..., FeedSource]) -> None:
    site.pages["/feed"] = rss(item("2"), item("1"))
    uris(source_of())
    site.pages["/feed"] = rss(item("3"))
    assert uris(source_of(max_entries=2)) == ["3", "2"]


def test_the_version_changes_with_an_entry_and_only_with_its_own(
    site: Site, source_of: Callable[..., FeedSource]
) -> None:
    site.pages["/feed"] = rss(item("2"), item("1"))
    before = {listed.uri: listed.version for listed in source_of().list()}
    site.pages["/feed"] = rss(item("2"), item("1", "Corrected."))
    after = {listed.uri: listed.version for listed in source_of().list()}
    assert (before["2"] == after["2"], before["1"] == after["1"]) == (True, False)


def test_an_unchanged_feed_is_not_transferred_again(site: Site, source_of: Callable[..., FeedSource]) -> None:
    site.pages["/feed"] = rss(item("1"))
    first = list(source_of().list())
    assert list(source_of().list()) == first
    assert site.asked == [("/feed", 200), ("/feed", 304)]


def test_an_entry_without_an_id_is_known_by_its_link(
    site: Site, source_of: Callable[..., FeedSource]
) -> None:
    site.pages["/feed"] = rss("<item><title>A</title><link>https://example.org/a</link></item>")
    assert uris(source_of()) == ["https://example.org/a"]


def test_a_link_that_is_no_web_address_is_not_given(site: Site, source_of: Callable[..., FeedSource]) -> None:
    site.pages["/feed"] = rss(
        "<item><guid isPermaLink='false'>1</guid><link>javascript:alert(1)</link></item>"
    )
    source = source_of()
    uris(source)
    assert source.read("1").url is None


def test_a_feed_whose_etag_lies_is_loaded_again_after_a_while(
    site: Site, source_of: Callable[..., FeedSource]
) -> None:
    for guid in ("1", "2"):
        site.pages["/feed"] = Reply(rss(item(guid)).body, "application/rss+xml", etag='"always the same"')
        found = uris(source_of())
    assert (found, uris(source_of(recheck_seconds=0.0))) == (["1"], ["2", "1"])


def test_an_entry_that_is_not_kept_has_vanished(source_of: Callable[..., FeedSource]) -> None:
    with pytest.raises(VanishedError, match="not among the entries of source 'news'"):
        source_of().read("9")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("<html><body>Hello</body></html>"), "is no RSS or Atom feed"),
        (Reply("", "application/rss+xml"), "is no RSS or Atom feed"),
        (Reply("gone", status=404), "answers with status 404"),
        (Reply("down", status=503), "answers with status 503"),
        (Reply(status=302, headers={"Location": "/feed"}), "redirects more than 5 times"),
    ],
)
def test_a_feed_that_cannot_be_had_is_an_error_and_not_an_empty_listing(
    site: Site, source_of: Callable[..., FeedSource], reply: Reply, reason: str
) -> None:
    site.pages["/feed"] = reply
    with pytest.raises(KnowledgeError, match=reason):
        uris(source_of())


def test_entities_that_grow_without_end_are_not_expanded(
    site: Site, source_of: Callable[..., FeedSource]
) -> None:
    levels = "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 12))
    laughs = f"<!DOCTYPE rss [<!ENTITY e0 'ha'>{levels}]>"
    reply = rss(item("1", "&e11;"))
    site.pages["/feed"] = Reply(laughs.encode() + reply.content(), "application/rss+xml")
    source = source_of()
    assert all(len(source.read(uri).content) < 10_000 for uri in uris(source))


def test_a_large_feed_is_read_as_a_small_one_is(site: Site, source_of: Callable[..., FeedSource]) -> None:
    site.pages["/feed"] = rss(*(item(str(number), "Many words. " * 100) for number in range(300)))
    assert uris(source_of()) == [str(number) for number in range(300)]


def test_a_large_file_that_is_no_feed_is_an_error(site: Site, source_of: Callable[..., FeedSource]) -> None:
    site.pages["/feed"] = Reply("Hello. " * 50_000)
    with pytest.raises(KnowledgeError, match="is no RSS or Atom feed"):
        uris(source_of())


def test_a_feed_that_is_a_path_does_not_open_the_file(
    site: Site, source_of: Callable[..., FeedSource], tmp_path: Path
) -> None:
    (tmp_path / "private.xml").write_bytes(rss(item("secret")).content())
    site.pages["/feed"] = Reply(str(tmp_path / "private.xml"), "application/rss+xml")
    with pytest.raises(KnowledgeError, match="is no RSS or Atom feed"):
        uris(source_of())


def test_a_feed_in_ones_own_network_is_refused_unless_it_is_allowed(
    site: Site, source_of: Callable[..., FeedSource]
) -> None:
    with pytest.raises(KnowledgeError, match="not a public address"):
        uris(source_of(allow_private=False))
    assert site.asked == []


def test_a_damaged_archive_is_made_anew(
    site: Site, source_of: Callable[..., FeedSource], tmp_path: Path
) -> None:
    site.pages["/feed"] = rss(item("1"))
    uris(source_of())
    (file,) = tmp_path.iterdir()
    file.write_text('{"entries": [')
    assert uris(source_of()) == ["1"]
