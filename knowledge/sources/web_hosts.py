"""Where a file of a git repository can be opened in a browser."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

# By a word of the host's name: the path of a file behind the repository's page.
_PATTERNS = {
    "github": "/blob/{revision}/{path}",
    "gitlab": "/-/blob/{revision}/{path}",
    "bitbucket": "/src/{revision}/{path}",
    "codeberg": "/src/commit/{revision}/{path}",
    "gitea": "/src/commit/{revision}/{path}",
    "forgejo": "/src/commit/{revision}/{path}",
    "git.sr.ht": "/tree/{revision}/item/{path}",
}
# By the same words: what leads to a line, of a file as it is and of Markdown, which is shown otherwise.
_LINES = {
    "github": ("#L{line}", "?plain=1#L{line}"),
    "gitlab": ("#L{line}", "?plain=1#L{line}"),
    "bitbucket": ("#lines-{line}", None),
    "codeberg": ("#L{line}", "?display=source#L{line}"),
    "gitea": ("#L{line}", "?display=source#L{line}"),
    "forgejo": ("#L{line}", "?display=source#L{line}"),
    "git.sr.ht": ("#L{line}", None),
}
_SCP_LIKE = re.compile(r"(?:[\w.-]+@)?(?P<host>[\w.-]+):(?!//)(?P<path>[^\\]+)")


def file_pattern(clone_url: str) -> str | None:
    """Guess from the URL that is cloned the pattern of its files' pages, with `{revision}` and `{path}`.

    None for a local path and for a host that is not known by its name.
    """
    if found := _SCP_LIKE.fullmatch(clone_url):
        host, path, port = found["host"], found["path"], ""
    else:
        parts = urlsplit(clone_url)
        host, path = parts.hostname or "", parts.path
        # The port of ssh tells nothing about that of the web pages.
        port = f":{parts.port}" if parts.port and parts.scheme in ("http", "https") else ""
        if parts.scheme not in ("http", "https", "ssh", "git"):
            return None
    scheme = "http" if clone_url.startswith("http:") else "https"
    behind = next((pattern for word, pattern in _PATTERNS.items() if word in host), None)
    if behind is None:
        return None
    repository = path.strip("/").removesuffix(".git").replace("{", "%7B").replace("}", "%7D")
    return f"{scheme}://{host}{port}/{repository}{behind}"


def file_url(pattern: str, revision: str, branch: str, path: str) -> str:
    """Fill `{revision}`, `{branch}` and `{path}` of a pattern, and leave out what leads to a line."""
    pattern = pattern.partition("#")[0] if "{line}" in pattern else pattern
    values = {"revision": revision, "branch": quote(branch), "path": quote(path)}
    return re.sub(r"\{(revision|branch|path)\}", lambda found: values[found[1]], pattern)


def line_anchor(pattern: str, path: str) -> str | None:
    """Give what leads from the page of a file to a line of it, with `{line}`.

    It is what stands in the pattern behind `#`, or what is usual at the host. None where that is not known.
    """
    page, _hash, behind = pattern.partition("#")
    if "{line}" in behind:
        return f"#{behind}"
    host = urlsplit(page).hostname or ""
    plain, of_markdown = next((found for word, found in _LINES.items() if word in host), (None, None))
    return of_markdown if PurePosixPath(path).suffix.lower() in (".md", ".markdown") else plain
