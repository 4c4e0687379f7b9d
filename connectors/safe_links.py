"""Which links may leave the bot: those of the sources that an answer cites, and no other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urlsplit

from connectors.conversation import Citation

# A word joiner: nothing is seen of it, and no platform makes a link of a name that it interrupts.
JOINER = "\u2060"
_HOST = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.?|[0-9a-f:.]+"
)
_TRAILING = ".,;:!?'\")]}*_~…»”’"

SCHEME = r"[a-z][a-z0-9+.-]{0,30}://"
RUN = r"[^\s<>\"`|]+"
_LINK = re.compile(rf"{SCHEME}{RUN}", re.IGNORECASE)
_SITE = re.compile(r"(?:[\w-]+\.)+[^\W\d_]{2,24}(?:[:/].*)?")


@dataclass(frozen=True, slots=True)
class Folded:
    """A text as a lenient reader sees it; `places[i]` is where character i stood in the original."""

    text: str
    places: tuple[int, ...]


def fold(text: str) -> Folded:
    """Undo what hides a mention or a link: invisible characters go, compatibility forms become plain.

    Unicode Standard Annex 15 (NFKC), for those characters alone whose form is ASCII.
    """
    if text.isascii():
        return Folded(text, tuple(range(len(text) + 1)))
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        plain = character if character.isascii() else _plain(character)
        letters.append(plain)
        places.extend([place] * len(plain))
    return Folded("".join(letters), (*places, len(text)))


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    if unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f" or character == "\u034f":
        return ""
    plain = unicodedata.normalize("NFKC", character)
    return plain if plain.isascii() and not plain.isspace() else character


def canonical(url: str) -> str | None:
    """The one spelling of an http(s) link; None for all else, and for what could pass for another host.

    Refused are user names in front of the host, backslashes, and names of hosts that IDNA (RFC 5891) does
    not know. What is not part of a link by RFC 3986 is percent-encoded.
    """
    url = url.strip()
    if "\\" in url or not url.isprintable():
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode().lower()
    except (ValueError, UnicodeError):
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not _HOST.fullmatch(host):
        return None
    at = host if ":" not in host else f"[{host}]"
    path = quote(parts.path or "/", safe="/%:@!$&'*+,;=~")
    query = f"?{quote(parts.query, safe='/?%:@!$&*+,;=~')}" if parts.query else ""
    fragment = f"#{quote(parts.fragment, safe='/?%:@!$&*+,;=~')}" if parts.fragment else ""
    return f"{parts.scheme}://{at}{f':{port}' if port else ''}{path}{query}{fragment}"


def trimmed(run: str) -> str:
    """A link without the punctuation of the sentence that it ends; brackets that it opened stay."""
    while run and run[-1] in _TRAILING:
        if run[-1] == ")" and run.count("(") >= run.count(")"):
            break
        run = run[:-1]
    return run


def links_of(text: str) -> frozenset[str]:
    """The http(s) links that stand in a text, bare or in Markdown, each in its canonical spelling."""
    runs = [trimmed(run) for run in _LINK.findall(fold(text).text)]
    # `[a](https://b)` ends where its bracket closes.
    inner = [trimmed(run.split(")")[0].split("]")[0]) for run in runs]
    return frozenset(link for run in (*runs, *inner) if (link := canonical(run)))


def allowed_links(citations: Iterable[Citation]) -> frozenset[str]:
    """What an answer may link to: each cited source's own URL, and the links in its cited text."""
    allowed: set[str] = set()
    for citation in citations:
        own = canonical(citation.url or "")
        allowed |= links_of(citation.excerpt) | ({own} if own else set())
    return frozenset(allowed)


def misleads(label: str, url: str) -> bool:
    """Whether the text of a link names another site or link than the one that it leads to."""
    words = fold(label).text.lower().split()
    named = [word for word in words if "://" in word or word.startswith("www.")]
    named += [word for word in words if len(words) == 1 and _SITE.fullmatch(word)]
    return any(trimmed(word).removesuffix("/") not in url.lower() for word in named)
