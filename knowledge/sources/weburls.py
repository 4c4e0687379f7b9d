"""URLs of a website: one spelling for one page, and which of them belong to a source."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlencode

import httpx

_DEFAULT_PORTS = {"http": 80, "https": 443}
# Parameters that tell who came from where, not what is shown.
_TRACKING = re.compile(
    r"utm_\w+|[gd]clid|fbclid|msclkid|yclid|igshid|mc_[ce]id|_ga|_gl|(?:php|j|asp)?sess(?:ion)?_?id|sid",
    re.IGNORECASE,
)
_SESSION_IN_PATH = re.compile(r";jsessionid=[^/?#]*", re.IGNORECASE)
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile("[A-Za-z0-9._~-]")
_MOST_CHARACTERS = 2_000
_MOST_SEGMENTS = 20
_MOST_REPEATS = 3
# Suffixes of what is never a document: not asked for.
_NO_DOCUMENTS = frozenset(
    (
        *(".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".avif", ".ico", ".bmp", ".tif", ".tiff"),
        *(".css", ".js", ".mjs", ".map", ".woff", ".woff2", ".ttf", ".otf", ".eot", ".rss", ".atom"),
        *(".mp3", ".mp4", ".m4a", ".m4v", ".webm", ".ogg", ".ogv", ".wav", ".avi", ".mov", ".flac"),
        *(".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".jar", ".war", ".whl", ".iso"),
        *(".dmg", ".exe", ".msi", ".deb", ".rpm", ".apk", ".bin", ".torrent"),
    )
)


def normalised(url: str) -> str | None:
    """Give a URL the spelling that all its equals share; None when it is no http(s) URL.

    Scheme and host in lower case, without default port, user and fragment, percent-escapes in upper case
    and only where they are needed (RFC 3986, section 6.2), query parameters in order, and without those that
    follow a visitor.
    """
    try:
        parsed = httpx.URL(url.strip())
        if parsed.scheme not in _DEFAULT_PORTS or not parsed.host or len(url) > _MOST_CHARACTERS:
            return None
        pairs = sorted(pair for pair in parsed.params.multi_items() if not _TRACKING.fullmatch(pair[0]))
        path, _mark, _query = parsed.raw_path.decode("ascii").partition("?")
        clean = _SESSION_IN_PATH.sub("", path) or "/"
        query = f"?{urlencode(pairs)}" if pairs else ""
        plain = _ESCAPE.sub(_shortest_escape, clean)
        return str(parsed.copy_with(userinfo=b"", fragment=None, raw_path=f"{plain}{query}".encode()))
    except (httpx.InvalidURL, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Scope:
    """The pages at or below a start URL: its host, with http or https, and its path.

    The path of `https://host/docs/intro.html` is `/docs/`; that of `https://host/docs` is `/docs` and
    everything below.
    """

    start_url: str

    def holds(self, url: str) -> bool:
        """Whether a normalised URL lies within."""
        start, other = httpx.URL(self.start_url), httpx.URL(url)
        if start.host != other.host or not _same_port(start, other):
            return False
        path = unquote(other.raw_path.decode("ascii").partition("?")[0])
        prefix = self.prefix
        if ".." in path.split("/"):
            return False
        return path.startswith(prefix) or path == prefix.removesuffix("/")

    @property
    def prefix(self) -> str:
        """The path that all pages start with, with `/` at its end."""
        path = unquote(httpx.URL(self.start_url).path)
        if path.endswith("/"):
            return path
        last = PurePosixPath(path)
        return f"{path}/" if not last.suffix else f"{path[: path.rindex('/')]}/"


def path_of(url: str) -> str:
    """Give the path of a URL as patterns are matched with: unquoted, without `/` around it."""
    return unquote(httpx.URL(url).path).strip("/")


def may_be_document(url: str) -> bool:
    """Whether a URL is worth asking for: no image, style or archive, and not one of endless links.

    A path that repeats one name, or grows without end, is what links in a circle make.
    """
    segments = [segment for segment in httpx.URL(url).path.split("/") if segment]
    repeats = max(Counter(segments).values(), default=0)
    suffix = PurePosixPath(segments[-1]).suffix.lower() if segments else ""
    return suffix not in _NO_DOCUMENTS and len(segments) <= _MOST_SEGMENTS and repeats <= _MOST_REPEATS


def _shortest_escape(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if _UNRESERVED.fullmatch(character) else found[0].upper()


def _same_port(one: httpx.URL, other: httpx.URL) -> bool:
    return (one.port, other.port) == (None, None) or (one.scheme, one.port) == (other.scheme, other.port)
