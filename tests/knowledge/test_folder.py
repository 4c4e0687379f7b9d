import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from knowledge.documents import EVERYONE, KnowledgeError, UnreadableError, VanishedError
from knowledge.sources.folder import FolderSource

AUDIENCE = frozenset({EVERYONE})


def write(root: Path, *uris: str, content: str = "text") -> None:
    for uri in uris:
        (root / uri).parent.mkdir(parents=True, exist_ok=True)
        (root / uri).write_text(content)


def uris(source: FolderSource) -> list[str]:
    return [listed.uri for listed in source.list()]


def test_it_lists_readable_files_of_all_subfolders_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path, "b.md", "a/z.html", "a/b/c.pdf", "c.docx")
    assert uris(FolderSource("docs", tmp_path, AUDIENCE)) == ["a/b/c.pdf", "a/z.html", "b.md", "c.docx"]


def test_it_leaves_out_files_nobody_means(tmp_path: Path) -> None:
    write(tmp_path, ".hidden.md", ".git/x.md", "node_modules/x.md", "~$a.docx", "a.md.tmp", "ok.MD")
    assert uris(FolderSource("docs", tmp_path, AUDIENCE)) == ["ok.MD"]


def test_files_that_cannot_be_read_are_listed_by_their_kind(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "x/b.PNG", "x/c.mp4", "Makefile", "old/d.iso", "ok.md")
    found = FolderSource("docs", tmp_path, AUDIENCE, exclude=("old",)).list()
    assert [(listed.uri, listed.unreadable) for listed in found] == [
        ("ok.md", ""),
        ("*.png", "2 files of a kind that Lorebot cannot read."),
        ("(no usual suffix)", "1 file of a kind that Lorebot cannot read."),
        ("*.mp4", "1 file of a kind that Lorebot cannot read."),
    ]


def test_of_many_kinds_the_rarest_are_listed_together(tmp_path: Path) -> None:
    write(tmp_path, *(f"a.x{number}" for number in range(25)))
    found = list(FolderSource("docs", tmp_path, AUDIENCE).list())
    assert len(found) == 21
    assert (found[-1].uri, found[-1].unreadable) == (
        "(further suffixes)",
        "5 files of kinds that Lorebot cannot read.",
    )


def test_a_further_file_of_a_kind_is_no_other_version(tmp_path: Path) -> None:
    write(tmp_path, "a.png")
    source = FolderSource("docs", tmp_path, AUDIENCE)
    (before,) = source.list()
    write(tmp_path, "b.png")
    (after,) = source.list()
    assert before.version == after.version


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (("*.md",), (), ["a.md", "x/b.md", "x/y/c.md"]),
        (("/*.md",), (), ["a.md"]),
        (("x/*.md",), (), ["x/b.md"]),
        (("x/**",), (), ["x/b.md", "x/y/c.md", "x/y/d.txt"]),
        (("**/y/*.txt",), (), ["x/y/d.txt"]),
        (("**/*",), ("y",), ["a.md", "x/b.md"]),
        (("**/*",), ("x/y",), ["a.md", "x/b.md"]),
        (("**/*",), ("**/c.*",), ["a.md", "x/b.md", "x/y/d.txt"]),
        (("[ab].md",), (), ["a.md", "x/b.md"]),
    ],
)
def test_patterns_choose_files_as_in_gitignore(
    tmp_path: Path, include: tuple[str, ...], exclude: tuple[str, ...], expected: list[str]
) -> None:
    write(tmp_path, "a.md", "x/b.md", "x/y/c.md", "x/y/d.txt")
    assert uris(FolderSource("docs", tmp_path, AUDIENCE, include, exclude)) == expected


def test_the_version_changes_with_the_time_and_with_the_size(tmp_path: Path) -> None:
    source = FolderSource("docs", tmp_path, AUDIENCE)
    write(tmp_path, "a.md", content="one")
    os.utime(tmp_path / "a.md", ns=(1, 1))
    versions = {next(source.list()).version}
    os.utime(tmp_path / "a.md", ns=(1, 2))
    versions.add(next(source.list()).version)
    write(tmp_path, "a.md", content="longer")
    os.utime(tmp_path / "a.md", ns=(1, 2))
    versions.add(next(source.list()).version)
    assert len(versions) == 3


def test_an_untouched_file_keeps_its_version(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    source = FolderSource("docs", tmp_path, AUDIENCE)
    assert list(source.list()) == list(source.list())


def test_a_missing_folder_is_an_error_and_not_an_empty_listing(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"gone of source 'docs' does not exist"):
        list(FolderSource("docs", tmp_path / "gone", AUDIENCE).list())


def test_a_subfolder_that_cannot_be_listed_makes_the_listing_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.md", "secret/b.md")
    scandir = os.scandir

    def denied(path: str) -> Any:
        if path.endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)  # root may read everything, so that chmod would not tell
    with pytest.raises(KnowledgeError, match=r"secret of source 'docs' cannot be listed: Permission denied"):
        list(FolderSource("docs", tmp_path, AUDIENCE).list())


def test_links_that_lead_outside_are_not_listed_and_not_read(tmp_path: Path) -> None:
    write(tmp_path, "outside/secret.md", "docs/a.md")
    (tmp_path / "docs/link.md").symlink_to(tmp_path / "outside/secret.md")
    (tmp_path / "docs/folder").symlink_to(tmp_path / "outside")
    source = FolderSource("docs", tmp_path / "docs", AUDIENCE)
    assert uris(source) == ["a.md"]
    for uri in ("link.md", "folder/secret.md"):
        with pytest.raises(UnreadableError, match="outside the folder"):
            source.read(uri)


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    write(tmp_path, "x/a.md")
    (tmp_path / "x/up").symlink_to(tmp_path)
    (tmp_path / "x/self.md").symlink_to(tmp_path / "x/self.md")
    assert uris(FolderSource("docs", tmp_path, AUDIENCE)) == ["x/a.md"]


def test_a_link_to_a_file_within_the_folder_is_a_document(tmp_path: Path) -> None:
    write(tmp_path, "..data/a.md", content="mounted")
    (tmp_path / "a.md").symlink_to(tmp_path / "..data/a.md")
    source = FolderSource("docs", tmp_path, AUDIENCE)
    assert [source.read(uri).content for uri in uris(source)] == [b"mounted"]


def test_a_folder_that_is_itself_reached_by_a_link_is_read(tmp_path: Path) -> None:
    write(tmp_path, "real/a.md")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    source = FolderSource("docs", tmp_path / "link", AUDIENCE)
    assert source.read("a.md").content == b"text"


def test_a_document_carries_its_name_content_time_and_url(tmp_path: Path) -> None:
    write(tmp_path, "hand book/äb#1.md", content="Grüße")
    os.utime(tmp_path / "hand book/äb#1.md", (0, 1_700_000_000))
    raw = FolderSource("docs", tmp_path, AUDIENCE).read("hand book/äb#1.md")
    assert (raw.uri, raw.name, raw.content.decode()) == ("hand book/äb#1.md", "äb#1.md", "Grüße")
    assert raw.modified_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert raw.url == tmp_path.as_uri() + "/hand%20book/%C3%A4b%231.md"


def test_a_base_url_takes_the_place_of_the_file_url(tmp_path: Path) -> None:
    write(tmp_path, "hand book/a.md")
    source = FolderSource("docs", tmp_path, AUDIENCE, base_url="https://wiki.example/docs/")
    assert source.read("hand book/a.md").url == "https://wiki.example/docs/hand%20book/a.md"


@pytest.mark.parametrize(
    "uri", ["../secret.md", "x/../../secret.md", "/etc/passwd.md", "", ".", "a\0.md", "x//a.md"]
)
def test_a_uri_that_leads_outside_is_refused(tmp_path: Path, uri: str) -> None:
    write(tmp_path, "secret.md", "docs/a.md", "docs/x/a.md")
    with pytest.raises(UnreadableError, match="outside the folder"):
        FolderSource("docs", tmp_path / "docs", AUDIENCE).read(uri)


@pytest.mark.parametrize("uri", [".env.md", ".git/a.md", "a.png"])
def test_a_file_that_is_not_listed_cannot_be_read_either(tmp_path: Path, uri: str) -> None:
    write(tmp_path, uri)
    with pytest.raises(UnreadableError, match="not a document of source 'docs'"):
        FolderSource("docs", tmp_path, AUDIENCE).read(uri)


def test_a_file_that_is_gone_has_vanished(tmp_path: Path) -> None:
    write(tmp_path, "x.md")
    source = FolderSource("docs", tmp_path, AUDIENCE)
    for uri in ("gone.md", "x.md/below.md"):
        with pytest.raises(VanishedError, match="gone"):
            source.read(uri)


def test_a_file_over_the_limit_is_refused_with_both_sizes(tmp_path: Path) -> None:
    (tmp_path / "big.pdf").write_bytes(b"x" * 61_000)
    with pytest.raises(UnreadableError, match=r"big\.pdf is 61 KB; the limit is 50 KB \(max_bytes\)\."):
        FolderSource("docs", tmp_path, AUDIENCE, max_bytes=50_000).read("big.pdf")


def test_a_file_that_may_not_be_opened_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.md")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(UnreadableError, match=r"a\.md may not be opened"):
        FolderSource("docs", tmp_path, AUDIENCE).read("a.md")


def test_a_pipe_is_no_document_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    source = FolderSource("docs", tmp_path, AUDIENCE)
    assert uris(source) == []
    with pytest.raises(UnreadableError, match="not a file"):
        source.read("pipe.md")


def test_a_file_that_does_not_stop_changing_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "log.txt")
    opened = Path.open

    def open_and_grow(path: Path, mode: str = "r") -> object:
        with opened(path, "a") as file:
            file.write("more")
        return opened(path, mode)

    monkeypatch.setattr(Path, "open", open_and_grow)
    with pytest.raises(UnreadableError, match=r"log\.txt is being written to"):
        FolderSource("docs", tmp_path, AUDIENCE).read("log.txt")


def test_a_file_that_changes_once_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.md", content="half")
    opened = Path.open
    reads = iter(["whole", None])

    def open_and_change(path: Path, mode: str = "r") -> object:
        if (content := next(reads, None)) is not None:
            with opened(path, "w") as file:
                file.write(content)
        return opened(path, mode)

    monkeypatch.setattr(Path, "open", open_and_change)
    assert FolderSource("docs", tmp_path, AUDIENCE).read("a.md").content == b"whole"


def test_a_name_that_is_not_utf8_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.md")).write_text("x")
    assert uris(FolderSource("docs", tmp_path, AUDIENCE)) == ["a.md"]
