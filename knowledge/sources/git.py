"""A branch of a git repository as a source."""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from knowledge.documents import KnowledgeError, Listed, RawDocument, UnreadableError, VanishedError
from knowledge.sources.git_history import last_changes
from knowledge.sources.git_program import Git, GitError
from knowledge.sources.selection import Selection, is_readable, kind_of_file, too_large, unreadable_kinds
from knowledge.sources.web_hosts import file_pattern, file_url, line_anchor

_TIP = "refs/lorebot/tip"
_REGULAR_FILES = ("100644", "100755")
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_ALLOWED_SCHEMES = ("file", "git", "http", "https", "ssh")
_NAMED_BRANCHES = 10
_SAYS_CREDENTIALS = re.compile(
    "could not read (Username|Password)|terminal prompts disabled|Authentication failed|Permission denied"
    "|returned error: 40[13]|Invalid username",
    re.IGNORECASE,
)
_SAYS_ABSENT = re.compile("not found|does not appear to be a git repository|does not exist", re.IGNORECASE)
_SAYS_DAMAGED = re.compile(r"\.lock|corrupt|bad object|missing|not a git repository|unresolved deltas")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _File:
    blob: str
    size: int


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The wanted files of one revision, and how many there are of each kind that cannot be read."""

    revision: str
    branch: str
    files: dict[str, _File]
    unread: Counter[str]
    dates: dict[str, float]


class GitSource:
    """The readable files of a branch, without submodules and symbolic links.

    The branch is kept, with its history and nothing else, in a bare repository below `cache_folder`, and
    fetched at each listing when its tip has moved. A document's uri is its path, its version the id of its
    blob, so that a revision makes due only what it changes.
    """

    def __init__(
        self,
        name: str,
        url: str,
        branch: str | None,
        cache_folder: Path,
        audience: frozenset[str],
        include: tuple[str, ...] = ("**/*",),
        exclude: tuple[str, ...] = (".*", "node_modules", "__pycache__"),
        max_bytes: int = 50_000_000,
        web_url: str | None = None,
        timeout_seconds: float = 1800.0,
    ) -> None:
        """`url` is a URL (http, https, ssh, git, file), `user@host:path` or a local path; without `branch`
        it is the one that the repository names as its own.

        `web_url` is the pattern of a file's page, with `{path}` and `{revision}` or `{branch}`, and perhaps
        `{line}` behind a `#`; without it, that of GitHub, GitLab, Bitbucket, Gitea, Forgejo, Codeberg or
        SourceHut, where the host's name tells which. `include` and `exclude` are as for `FolderSource`.
        Raises `KnowledgeError` for a url that git could take for an option or a program.
        """
        self.name = name
        self.audience = audience
        self._url = _checked(name, url)
        self._shown = _without_password(url)
        self._branch = branch
        self._selection = Selection(include, exclude)
        self._max_bytes = max_bytes
        self._web_url = web_url or file_pattern(url)
        # One repository for each URL and branch: a changed setting starts a fresh one.
        key = hashlib.sha256(f"{url}\0{branch or ''}".encode()).hexdigest()[:16]
        self._git = Git(cache_folder / f"{key}.git", timeout_seconds)
        self._snapshot: _Snapshot | None = None

    def list(self) -> Iterator[Listed]:
        """Fetch what is new and yield the files of the branch's tip in the order of their paths.

        Last comes what cannot be read.
        Raises `KnowledgeError` when the repository cannot be reached, wants credentials, or lacks the branch.
        """
        branch, revision = self._remote_tip()
        try:
            if not self._has(revision):
                self._fetch(branch)
            self._snapshot = self._take_snapshot(branch)
        except GitError as error:
            raise self._explained(error) from error
        yield from (Listed(path, file.blob) for path, file in self._snapshot.files.items())
        yield from unreadable_kinds(self._snapshot.unread)

    def read(self, uri: str) -> RawDocument:
        """Read a file as it was in the last listing, or, without one, as it was last fetched.

        Raises `VanishedError` when it is not in that revision, `UnreadableError` when it is over `max_bytes`,
        kept in Git LFS, or cannot be read from the copy.
        """
        try:
            snapshot = self._snapshot = self._snapshot or self._take_snapshot(self._branch or "HEAD")
            file = snapshot.files.get(uri)
            if file is None:
                raise VanishedError(f"{uri} is not in {self._shown} at {snapshot.revision[:10]}.")
            if file.size > self._max_bytes:
                raise too_large(uri, file.size, self._max_bytes)
            content = self._git.run("cat-file", "blob", file.blob, most_bytes=file.size)
            modified = self._modified_at(snapshot, uri)
        except GitError as error:
            raise UnreadableError(f"{uri} cannot be read from the copy of {self._shown}: {error}.") from error
        if content.startswith(_LFS_POINTER):
            raise UnreadableError(f"{uri} is kept in Git LFS, which is not fetched.")
        url = self._web_url and file_url(self._web_url, snapshot.revision, snapshot.branch, uri)
        anchor = self._web_url and line_anchor(self._web_url, uri)
        return RawDocument(uri, PurePosixPath(uri).name, content, url or None, modified, anchor or None)

    def _remote_tip(self) -> tuple[str, str]:
        """Give `(branch, revision)` of the remote, having made the local repository where there is none."""
        try:
            self._make_copy()
            answer = self._git.run("ls-remote", "--symref", "--", self._url, "HEAD", "refs/heads/*").decode()
        except GitError as error:
            raise self._explained(error) from error
        except OSError as error:
            raise KnowledgeError(
                f"The copy of {self._shown} for source '{self.name}' cannot be made in {self._git.folder}: "
                f"{error.strerror or error}."
            ) from error
        lines = [line.partition("\t")[::2] for line in answer.splitlines()]
        heads = {
            ref.removeprefix("refs/heads/"): mark for mark, ref in lines if ref.startswith("refs/heads/")
        }
        own = next(
            (mark.removeprefix("ref: refs/heads/") for mark, _ref in lines if mark[:5] == "ref: "), None
        )
        branch = self._branch or own or ""
        if branch in heads:
            return branch, heads[branch]
        named = ", ".join(sorted(heads)[:_NAMED_BRANCHES])
        more = f" and {len(heads) - _NAMED_BRANCHES} more" if len(heads) > _NAMED_BRANCHES else ""
        has = f"it has {named}{more}" if heads else "it has none yet"
        lacks = f"no branch '{branch}'" if branch else "no branch of its own to follow"
        raise KnowledgeError(f"{self._shown} of source '{self.name}' has {lacks}; {has}.")

    def _make_copy(self) -> None:
        self._git.folder.mkdir(parents=True, exist_ok=True)
        self._git.run("init", "--bare", "--quiet", "--template=")

    def _has(self, revision: str) -> bool:
        try:
            return self._tip() == revision
        except GitError:
            return False

    def _tip(self) -> str:
        return self._git.run("rev-parse", "--verify", "--quiet", f"{_TIP}^{{commit}}").decode().strip()

    def _fetch(self, branch: str) -> None:
        self._git.run("check-ref-format", f"refs/heads/{branch}")
        fetch = (
            "fetch",
            "--quiet",
            "--force",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
        )
        refs = f"+refs/heads/{branch}:{_TIP}"
        try:
            self._git.run(*fetch, "--", self._url, refs)
        except GitError as error:
            if not _SAYS_DAMAGED.search(str(error)):
                raise
            # A killed run leaves lock files and half a pack: a fresh copy is sure to be whole.
            logger.warning("source '%s': its copy of %s is damaged and made anew", self.name, self._shown)
            shutil.rmtree(self._git.folder, ignore_errors=True)
            self._make_copy()
            self._git.run(*fetch, "--", self._url, refs)

    def _take_snapshot(self, branch: str) -> _Snapshot:
        revision = self._tip()
        files = {}
        unread: Counter[str] = Counter()
        for entry in self._git.run("ls-tree", "-r", "-z", "-l", revision).split(b"\0")[:-1]:
            about, _tab, path = entry.partition(b"\t")
            mode, _kind, blob, size = about.decode().split()
            try:
                uri = path.decode()
            except UnicodeDecodeError:
                logger.warning("source '%s': a file is left out, its name is not UTF-8: %r", self.name, path)
                continue
            if mode not in _REGULAR_FILES or not self._selection.wants(uri):
                continue
            if is_readable(uri):
                files[uri] = _File(blob, int(size))
            else:
                unread[kind_of_file(uri)] += 1
        return _Snapshot(revision, branch, files, unread, {})

    def _modified_at(self, snapshot: _Snapshot, uri: str) -> datetime | None:
        if not snapshot.dates:
            kept = self._git.folder / "lorebot-dates.json"
            found = last_changes(self._git, snapshot.revision, snapshot.files.keys(), kept)
            snapshot.dates.update(found)
        seconds = snapshot.dates.get(uri)
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

    def _explained(self, error: GitError) -> KnowledgeError:
        """Say in one line what a person can do about git's complaint."""
        text = str(error)
        where = f"{self._shown} of source '{self.name}'"
        if "Host key verification failed" in text:
            return KnowledgeError(
                f"{where} has an unknown SSH host key; add it to known_hosts of Lorebot's user."
            )
        if "dubious ownership" in text:
            return KnowledgeError(
                f"{where} belongs to another user; allow it: git config --global --add safe.directory PATH"
            )
        if _SAYS_CREDENTIALS.search(text):
            return KnowledgeError(
                f"{where} asks for credentials; give Lorebot's user a git credential helper or an SSH key "
                "that may read it."
            )
        if _SAYS_ABSENT.search(text):
            return KnowledgeError(f"{where} is not a git repository, or Lorebot's user may not see it.")
        lines = [
            line for line in text.splitlines() if line.startswith(("fatal:", "ssh:"))
        ] or text.splitlines()
        reason = lines[0].removeprefix("fatal: ").replace(self._url, self._shown).rstrip(".")
        return KnowledgeError(f"{where} cannot be fetched: {reason}.")


def _checked(name: str, url: str) -> str:
    scheme, colons, _rest = url.partition("://")
    host = urlsplit(url).hostname or "" if colons else url.partition(":")[0]
    is_option = url.startswith("-") or host.startswith("-") or "@-" in url
    is_transport = "::" in url.partition("/")[0] or (colons and scheme not in _ALLOWED_SCHEMES)
    if not url or is_option or is_transport or not url.isprintable():
        allowed = ", ".join(_ALLOWED_SCHEMES)
        raise KnowledgeError(
            f"The url {url!r} of source '{name}' is not one to clone; give a local path, user@host:path or "
            f"a URL with one of {allowed}."
        )
    is_local = not colons and (":" not in url or "/" in url.partition(":")[0])
    return str(Path(url).expanduser().absolute()) if is_local else url


def _without_password(url: str) -> str:
    return re.sub(r"(?<=://)[^/@]*@", "", url)
