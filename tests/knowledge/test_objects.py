import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from knowledge.documents import EVERYONE, KnowledgeError, UnreadableError, VanishedError
from knowledge.sources.objects import ObjectsSource

AUDIENCE = frozenset({EVERYONE})


@pytest.fixture
def store() -> Iterator[MemoryFileSystem]:
    system = MemoryFileSystem()
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def source(**further: Any) -> ObjectsSource:
    return ObjectsSource("docs", "memory://bucket/docs", AUDIENCE, **further)


def uris(found: ObjectsSource) -> list[str]:
    return [listed.uri for listed in found.list()]


def test_it_lists_readable_files_below_the_url(store: MemoryFileSystem) -> None:
    for path in (
        "docs/b.md",
        "docs/a/c.html",
        "docs/x.png",
        "docs/.hidden.md",
        "other/d.md",
        "docs-old/e.md",
    ):
        store.pipe(f"/bucket/{path}", b"text")
    assert uris(source()) == ["a/c.html", "b.md", "*.png"]


def test_patterns_choose_files(store: MemoryFileSystem) -> None:
    for path in ("a.md", "x/b.md", "x/old/c.md"):
        store.pipe(f"/bucket/docs/{path}", b"text")
    assert uris(source(include=("x/**",), exclude=("old",))) == ["x/b.md"]


def test_the_version_changes_with_the_file_and_only_with_its_own(store: MemoryFileSystem) -> None:
    store.pipe({"/bucket/docs/a.md": b"one", "/bucket/docs/b.md": b"same"})
    found = source()
    before = {listed.uri: listed.version for listed in found.list()}
    store.pipe("/bucket/docs/a.md", b"two")
    after = {listed.uri: listed.version for listed in found.list()}
    assert (before["a.md"] == after["a.md"], before["b.md"] == after["b.md"]) == (False, True)


def test_an_etag_goes_before_times(store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = MemoryFileSystem.find

    def tagged(system: MemoryFileSystem, path: str, **further: Any) -> Any:
        mark = {"ETag": '"1f0c"', "LastModified": datetime.now(UTC)}
        return {name: info | mark for name, info in plain(system, path, **further).items()}

    monkeypatch.setattr(MemoryFileSystem, "find", tagged)
    store.pipe("/bucket/docs/a.md", b"one")
    found = source()
    assert [listed.version for listed in found.list()] == ["1f0c"]


def test_a_document_carries_its_name_content_and_time(store: MemoryFileSystem) -> None:
    began = datetime.now(UTC)
    store.pipe("/bucket/docs/hand book/äb.md", "Grüße".encode())
    raw = source().read("hand book/äb.md")
    assert (raw.uri, raw.name, raw.content.decode()) == ("hand book/äb.md", "äb.md", "Grüße")
    assert raw.modified_at is not None and raw.modified_at >= began


def test_a_place_that_does_not_exist_is_an_error_and_not_an_empty_listing(store: MemoryFileSystem) -> None:
    with pytest.raises(KnowledgeError, match=r"memory://bucket/docs of source 'docs' does not exist\."):
        uris(source())


def test_a_store_that_does_not_answer_is_an_error_of_one_line(
    store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object, **__: object) -> None:
        raise OSError("Could not connect to the endpoint\nand a long story")

    monkeypatch.setattr(MemoryFileSystem, "find", down)
    with pytest.raises(KnowledgeError, match=r"cannot be listed: Could not connect to the endpoint\.$"):
        uris(source())


def test_a_file_over_the_limit_is_listed_and_refused_with_both_sizes(store: MemoryFileSystem) -> None:
    store.pipe("/bucket/docs/big.pdf", b"x" * 61_000)
    found = source(max_bytes=50_000)
    assert uris(found) == ["big.pdf"]
    with pytest.raises(UnreadableError, match=r"big\.pdf is 61 KB; the limit is 50 KB \(max_bytes\)\."):
        found.read("big.pdf")


def test_a_file_that_is_gone_has_vanished(store: MemoryFileSystem) -> None:
    store.pipe("/bucket/docs/a.md", b"text")
    with pytest.raises(VanishedError, match=r"gone\.md is gone"):
        source().read("gone.md")


@pytest.mark.parametrize(
    "uri", ["../other/secret.md", "x/../../secret.md", "/secret.md", "x//a.md", "a.png", ".env.md"]
)
def test_a_uri_that_is_not_listed_is_refused(store: MemoryFileSystem, uri: str) -> None:
    store.pipe({"/bucket/other/secret.md": b"secret", "/bucket/secret.md": b"secret"})
    with pytest.raises(UnreadableError, match="not a document of source 'docs'"):
        source().read(uri)


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("s3://bucket", "s3fs"),
        ("gs://bucket", "gcsfs"),
        ("abfs://box@account/docs", "adlfs"),
        ("sftp://h/d", "paramiko"),
    ],
)
def test_a_missing_package_is_named_with_the_command(
    url: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    # The class of a protocol that was opened before is remembered by fsspec.
    known = sys.modules["fsspec.registry"]._registry
    monkeypatch.delitem(known, url.partition(":")[0], raising=False)
    monkeypatch.delitem(sys.modules, "fsspec.implementations.sftp", raising=False)
    with pytest.raises(KnowledgeError, match=rf"not installed: pip install {package}$"):
        uris(ObjectsSource("docs", url, AUDIENCE))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc", "kind 'folder'"),
        ("https://example.org/docs", "kind 'website'"),
        ("simplecache::s3://bucket", "not one of an object store"),
        ("zip://a.zip::http://127.0.0.1/", "not one of an object store"),
        ("bucket/docs", "not one of an object store"),
        ("s3://", "not one of an object store"),
        ("ftp://me:secret@host/docs", "credential in the url"),
    ],
)
def test_a_url_of_another_kind_is_refused(url: str, reason: str) -> None:
    with pytest.raises(KnowledgeError, match=reason) as refused:
        ObjectsSource("docs", url, AUDIENCE)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("option", ["key", "secret", "password", "token", "account_key", "connection_string"])
def test_credentials_in_options_are_refused_and_not_repeated(option: str) -> None:
    with pytest.raises(KnowledgeError, match=f"credential in the option '{option}'") as refused:
        ObjectsSource("docs", "s3://bucket", AUDIENCE, options={option: "hunter2"})
    assert "hunter2" not in str(refused.value)


def test_options_reach_the_file_system_with_their_types() -> None:
    given: dict[str, object] = {}

    class Noting(MemoryFileSystem):
        protocol = "noting"

        def __init__(self, **options: object) -> None:
            given.update(options)
            super().__init__()

    fsspec.register_implementation("noting", Noting, clobber=True)
    options = {"anon": "true", "port": "22", "endpoint_url": "http://127.0.0.1:9000"}
    with pytest.raises(KnowledgeError, match="does not exist"):
        uris(ObjectsSource("docs", "noting://nothing", AUDIENCE, options=options))
    assert given == {"anon": True, "port": 22, "endpoint_url": "http://127.0.0.1:9000"}
