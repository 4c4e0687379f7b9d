import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from knowledge.documents import EVERYONE, KnowledgeError, UnreadableError, VanishedError
from knowledge.sources.git import GitSource
from knowledge.sources.git_program import Git, GitError
from knowledge.sources.web_hosts import file_pattern, line_anchor

AUDIENCE = frozenset({EVERYONE})


class Repository:
    """A work tree whose commits are an hour apart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._commits = 0
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        date = f"{1_700_000_000 + 3600 * self._commits} +0000"
        person = {"NAME": "Ada", "EMAIL": "ada@example.org", "DATE": date}
        environment = {
            f"GIT_{role}_{key}": text for role in ("AUTHOR", "COMMITTER") for key, text in person.items()
        }
        command = ["git", "-c", "protocol.file.allow=always", "-C", str(self.folder), *arguments]
        return subprocess.run(
            command, env=os.environ | environment, check=True, capture_output=True, text=True
        ).stdout

    def commit(self, **files: str | None) -> str:
        """Write files (`__` in a name stands for `/`, `_md` for its suffix), remove those that are None."""
        for name, content in files.items():
            path = self.folder / name.replace("__", "/").replace("_md", ".md")
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.unlink()
            else:
                path.write_text(content)
        self._commits += 1
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", "a change")
        return self.git("rev-parse", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin")


@pytest.fixture
def source_of(tmp_path: Path, repository: Repository) -> Callable[..., GitSource]:
    def build(url: str = str(repository.folder), branch: str | None = "main", **further: object) -> GitSource:
        return GitSource("docs", url, branch, tmp_path / "cache", AUDIENCE, **further)  # type: ignore[arg-type]

    return build


def versions(source: GitSource) -> dict[str, str]:
    return {listed.uri: listed.version for listed in source.list()}


def test_it_lists_the_readable_files_of_the_branch(
    repository: Repository, source_of: Callable[..., GitSource]
) -> None:
    repository.commit(b_md="b", docs__a_md="a", picture="no suffix", **{".github__x_md": "hidden"})
    assert list(versions(source_of())) == ["b.md", "docs/a.md", "(no usual suffix)"]


def test_patterns_choose_files(repository: Repository, source_of: Callable[..., GitSource]) -> None:
    repository.commit(a_md="a", docs__a_md="a", docs__old__b_md="b")
    assert list(versions(source_of(include=("docs/**",), exclude=("old",)))) == ["docs/a.md"]


def test_a_commit_changes_the_versions_of_the_files_it_changes_and_no_others(
    repository: Repository, source_of: Callable[..., GitSource]
) -> None:
    repository.commit(a_md="one", b_md="same", gone_md="x")
    source = source_of()
    before = versions(source)
    repository.commit(a_md="two", gone_md=None, new_md="n")
    after = versions(source)
    assert after.keys() == {"a.md", "b.md", "new.md"}
    assert (after["a.md"] == before["a.md"], after["b.md"] == before["b.md"]) == (False, True)


def test_history_that_was_rewritten_is_followed(
    repository: Repository, source_of: Callable[..., GitSource]
) -> None:
    repository.commit(a_md="one")
    repository.commit(a_md="a mistake")
    source = source_of()
    versions(source)
    repository.git("reset", "--quiet", "--hard", "HEAD~1")
    repository.commit(a_md="two")
    versions(source)
    assert source.read("a.md").content == b"two"


def test_a_file_is_read_as_it_was_listed_though_the_branch_moves(
    repository: Repository, source_of: Callable[..., GitSource]
) -> None:
    repository.commit(a_md="one")
    source = source_of()
    versions(source)
    repository.commit(a_md="two")
    assert source.read("a.md").content == b"one"


def test_another_process_reads_what_was_last_fetched_without_the_remote(
    repository: Repository, source_of: Callable[..., GitSource], tmp_path: Path
) -> None:
    repository.commit(a_md="one")
    versions(source_of())
    repository.folder.rename(tmp_path / "moved")
    assert source_of().read("a.md").content == b"one"


def test_without_a_branch_the_repository_s_own_is_followed(
    repository: Repository, source_of: Callable[..., GitSource]
) -> None:
    repository.commit(a_md="on main")
    repository.git("switch", "--quiet", "-c", "trunk")
    repository.commit(b_md="on trunk")
    assert list(versions(source_of(branch=None))) == ["a.md", "b.md"]
    assert list(versions(source_of(branch="main"))) == ["a.md"]


def test_a_document_carries_its_name_content_page_and_the_date_of_its_last_commit(
    repository: Repository, source_of: Callable[..., GitSource]
) -> None:
    repository.commit(**{"hand book__äb#1_md": "Grüße", "other_md": "x"})
    revision = repository.commit(other_md="y")
    source = source_of(web_url="https://git.example/docs/view/{branch}/{revision}/{path}")
    versions(source)
    raw = source.read("hand book/äb#1.md")
    assert (raw.name, raw.content.decode()) == ("äb#1.md", "Grüße")
    assert raw.url == f"https://git.example/docs/view/main/{revision}/hand%20book/%C3%A4b%231.md"
    assert raw.modified_at == datetime.fromtimestamp(1_700_000_000 + 3600, UTC)


def test_dates_follow_later_commits_and_files_that_the_patterns_left_out_before(
    repository: Repository, source_of: Callable[..., GitSource]
) -> None:
    repository.commit(a_md="a", b_md="b", c_md="c")
    source = source_of(include=("a.md", "b.md"))
    versions(source)
    source.read("a.md")
    repository.commit(b_md="changed")
    wider = source_of()
    versions(wider)
    hours = {
        uri: (wider.read(uri).modified_at or datetime.now(UTC)).timestamp() - 1_700_000_000
        for uri in versions(wider)
    }
    assert hours == {"a.md": 3600, "b.md": 7200, "c.md": 3600}


@pytest.mark.parametrize(
    ("clone_url", "pattern"),
    [
        ("https://github.com/o/r.git", "https://github.com/o/r/blob/{revision}/{path}"),
        ("git@github.com:o/r.git", "https://github.com/o/r/blob/{revision}/{path}"),
        (
            "ssh://git@gitlab.example.org:2222/g/s/r",
            "https://gitlab.example.org/g/s/r/-/blob/{revision}/{path}",
        ),
        ("https://me:secret@bitbucket.org/o/r.git", "https://bitbucket.org/o/r/src/{revision}/{path}"),
        ("http://gitea.example:3000/o/r", "http://gitea.example:3000/o/r/src/commit/{revision}/{path}"),
        ("https://code.example.org/o/r", None),
        ("/srv/github/r", None),
        ("file:///srv/github/r", None),
    ],
)
def test_the_page_of_a_file_is_known_for_the_common_hosts(clone_url: str, pattern: str | None) -> None:
    assert file_pattern(clone_url) == pattern


@pytest.mark.parametrize(
    ("pattern", "path", "anchor"),
    [
        ("https://github.com/a/b/blob/{revision}/{path}", "x.py", "#L{line}"),
        ("https://github.com/a/b/blob/{revision}/{path}", "x.MD", "?plain=1#L{line}"),
        ("https://gitlab.example/a/b/-/blob/{revision}/{path}", "x.md", "?plain=1#L{line}"),
        ("https://codeberg.org/a/b/src/commit/{revision}/{path}", "x.md", "?display=source#L{line}"),
        ("https://bitbucket.org/a/b/src/{revision}/{path}", "x.py", "#lines-{line}"),
        ("https://bitbucket.org/a/b/src/{revision}/{path}", "x.md", None),
        ("https://git.example/{path}", "x.py", None),
        ("https://git.example/{path}?view=1#n{line}", "x.md", "#n{line}"),
    ],
)
def test_the_line_of_a_file_is_known_for_the_common_hosts(
    pattern: str, path: str, anchor: str | None
) -> None:
    assert line_anchor(pattern, path) == anchor


def test_a_document_leads_to_its_lines_where_the_pattern_tells_how(
    repository: Repository, source_of: Callable[..., GitSource]
) -> None:
    repository.commit(a_md="a")
    source = source_of(web_url="https://git.example/{branch}/{path}?view=1#n{line}")
    versions(source)
    raw = source.read("a.md")
    assert (raw.url, raw.line_anchor) == ("https://git.example/main/a.md?view=1", "#n{line}")


def test_an_unknown_branch_is_an_error_that_names_those_that_exist(
    repository: Repository, source_of: Callable[..., GitSource]
) -> None:
    repository.commit(a_md="a")
    repository.git("branch", "release")
    with pytest.raises(KnowledgeError, match=r"'docs' has no branch 'mian'; it has main, release\.$"):
        versions(source_of(branch="mian"))


def test_a_repository_without_commits_is_an_error(source_of: Callable[..., GitSource]) -> None:
    with pytest.raises(KnowledgeError, match="it has none yet"):
        versions(source_of())


def test_a_folder_that_is_no_repository_is_an_error(
    source_of: Callable[..., GitSource], tmp_path: Path
) -> None:
    with pytest.raises(KnowledgeError, match="of source 'docs' is not a git repository"):
        versions(source_of(url=str(tmp_path / "nothing")))


def test_a_remote_that_cannot_be_reached_is_an_error_of_one_line(source_of: Callable[..., GitSource]) -> None:
    with pytest.raises(
        KnowledgeError, match=r"of source 'docs' cannot be fetched: .*127\.0\.0\.1"
    ) as failure:
        versions(source_of(url="http://me:secret@127.0.0.1:9/docs.git"))
    assert "\n" not in str(failure.value) and "secret" not in str(failure.value)


class Locked(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def locked_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Locked)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/docs.git"
    server.shutdown()
    server.server_close()


def test_missing_credentials_are_asked_for_in_the_error_and_not_on_a_terminal(
    source_of: Callable[..., GitSource], locked_url: str
) -> None:
    with pytest.raises(KnowledgeError, match="asks for credentials; give Lorebot's user"):
        versions(source_of(url=locked_url))


@pytest.mark.parametrize(
    "url",
    [
        "--upload-pack=touch pwned",
        "ext::sh -c touch% pwned",
        "fd::7",
        "ssh://-oProxyCommand=touch pwned/x",
        "-oProxyCommand=x:y",
        "git@-oProxyCommand=x:y",
        "ftp://example.org/r",
        "https://example.org/a\nb",
        "",
    ],
)
def test_a_url_that_git_could_take_for_an_option_or_a_program_is_refused(
    source_of: Callable[..., GitSource], url: str
) -> None:
    with pytest.raises(KnowledgeError, match="is not one to clone"):
        source_of(url=url)


@pytest.mark.parametrize("branch", ["--upload-pack=x", "main:refs/heads/other", "../main", "ma*"])
def test_a_branch_that_is_no_name_of_a_branch_is_not_found(
    repository: Repository, source_of: Callable[..., GitSource], branch: str
) -> None:
    repository.commit(a_md="a")
    with pytest.raises(KnowledgeError, match="has no branch"):
        versions(source_of(branch=branch))


def test_a_relative_local_path_counts_from_the_working_folder(
    repository: Repository, source_of: Callable[..., GitSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(a_md="a")
    monkeypatch.chdir(repository.folder.parent)
    assert list(versions(source_of(url="origin"))) == ["a.md"]


def test_links_and_submodules_are_left_out(
    repository: Repository, source_of: Callable[..., GitSource], tmp_path: Path
) -> None:
    inner = Repository(tmp_path / "inner")
    inner.commit(a_md="inner")
    (repository.folder / "link.md").symlink_to("/etc/passwd")
    repository.git("submodule", "--quiet", "add", str(inner.folder), "sub.md")
    repository.commit(a_md="a")
    assert list(versions(source_of())) == ["a.md"]


def test_hooks_of_the_copy_are_not_run(
    repository: Repository, source_of: Callable[..., GitSource], tmp_path: Path
) -> None:
    repository.commit(a_md="one")
    source = source_of()
    versions(source)
    (copy,) = (tmp_path / "cache").iterdir()
    hook = copy / "hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned\n")
    hook.chmod(0o755)
    repository.commit(a_md="two")
    versions(source)
    assert not (tmp_path / "pwned").exists()


def test_variables_that_point_git_elsewhere_do_not_reach_it(
    repository: Repository,
    source_of: Callable[..., GitSource],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    repository.commit(a_md="a")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "elsewhere"))
    assert list(versions(source_of())) == ["a.md"]
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_over_the_limit_is_listed_and_refused_with_both_sizes(
    repository: Repository, source_of: Callable[..., GitSource]
) -> None:
    repository.commit(big_md="x" * 61_000)
    source = source_of(max_bytes=50_000)
    assert list(versions(source)) == ["big.md"]
    with pytest.raises(UnreadableError, match=r"big\.md is 61 KB; the limit is 50 KB \(max_bytes\)\."):
        source.read("big.md")


def test_a_file_in_lfs_is_reported_and_not_its_pointer_indexed(
    repository: Repository, source_of: Callable[..., GitSource]
) -> None:
    repository.commit(a_md="version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    source = source_of()
    versions(source)
    with pytest.raises(UnreadableError, match=r"a\.md is kept in Git LFS"):
        source.read("a.md")


def test_a_file_that_is_not_in_the_revision_has_vanished(
    repository: Repository, source_of: Callable[..., GitSource]
) -> None:
    repository.commit(a_md="a")
    source = source_of()
    versions(source)
    for uri in ("gone.md", "../a.md", "--help"):
        with pytest.raises(VanishedError, match="is not in"):
            source.read(uri)


def test_a_name_that_is_not_utf8_is_left_out(
    repository: Repository, source_of: Callable[..., GitSource]
) -> None:
    Path(os.fsdecode(os.fsencode(repository.folder) + b"/\xff.md")).write_text("x")
    repository.commit(a_md="a")
    assert list(versions(source_of())) == ["a.md"]


@pytest.mark.parametrize("damage", ["lock", "objects", "half made"])
def test_what_a_killed_run_leaves_in_the_copy_is_repaired(
    repository: Repository, source_of: Callable[..., GitSource], tmp_path: Path, damage: str
) -> None:
    repository.commit(a_md="one")
    versions(source_of())
    (copy,) = (tmp_path / "cache").iterdir()
    repository.commit(a_md="two")
    if damage == "lock":
        (copy / "refs/lorebot/tip.lock").touch()
    elif damage == "objects":
        for file in (copy / "objects").rglob("*"):
            if file.is_file():
                file.unlink()
    else:
        (copy / "HEAD").unlink()
    source = source_of()
    versions(source)
    assert source.read("a.md").content == b"two"


def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    git = Git(tmp_path, timeout_seconds=0.3)
    with pytest.raises(GitError, match=r"took longer than 0\.3 seconds"):
        git.run("-c", "alias.wait=!sleep 60", "wait")


def test_a_command_that_prints_without_end_is_stopped(tmp_path: Path) -> None:
    git = Git(tmp_path, timeout_seconds=60)
    with pytest.raises(GitError, match="printed more than 1,000,000 bytes"):
        git.run("-c", "alias.yes=!yes", "yes", most_bytes=1_000_000)
