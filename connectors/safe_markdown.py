"""Markdown of a model or a document, made harmless: it calls nobody, and links only to its sources.

Taken for hostile is every text that a person of the team did not just type: an answer may carry what
somebody wrote into a document (OWASP Top 10 for LLM Applications 2025, LLM01 and LLM05).
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from connectors.markdown_code import pieces
from connectors.safe_links import JOINER, RUN, SCHEME, canonical, fold, misleads, trimmed

Escape = Callable[[str], str]

_TOKEN = re.compile(
    r"<(?P<sign>[@#!])(?P<id>[^<>\s|]{1,200})(?:\|(?P<called>[^<>\n]{0,500}))?>"
    rf"|<(?P<target>(?:{SCHEME}|mailto:|tel:)[^<>\s|]{{1,3000}})(?:\|(?P<name>[^<>\n]{{0,500}}))?>"
    r"|!?\[(?P<label>[^\[\]\n]{0,500})\]\("
    r"[ \t]*<?(?P<to>[^\s<>()]{0,3000}(?:\([^\s<>()]{0,300}\)[^\s<>()]{0,300}){0,5})>?"
    r"""(?:[ \t]+(?:"[^"\n]{0,500}"|'[^'\n]{0,500}'|\([^()\n]{0,500}\)))?[ \t]*\)"""
    rf"|(?P<bare>{SCHEME}{RUN})",
    re.IGNORECASE,
)
_QUIET = re.compile(
    r"(?P<call>@)(?=(?:channel|everyone|here)(?![^\W_]))"
    r"|(?P<angle><)(?=[\s\\]*[!@#])"
    r"|(?P<scheme>:)(?=\\*/\\*/)"
    r"|(?P<link>\])(?=\()"
    r"|(?P<definition>\])(?=:)"
    r"|(?<=\w)(?P<dot>\\*\.)(?=[^\W\d_]{2})",
    re.IGNORECASE,
)
_INSTEAD = {
    "call": "@ ",
    "angle": "< ",
    "scheme": ": ",
    "link": "] ",
    "definition": f"]{JOINER}",
    "dot": f"{JOINER}.",
}
_CODE_CALL = re.compile(
    r"(?:<|&lt;|&#0*60;|&#x0*3c;)(?=[!@#])|@(?=(?:channel|everyone|here)(?![^\W_]))", re.IGNORECASE
)
_CODE_LINK = re.compile(rf"({SCHEME.removesuffix('//')})(//{RUN})", re.IGNORECASE)
_AMPERSAND = re.compile(r"&(?:(?:amp|#0*38|#x0*26)(?:;|\b))+", re.IGNORECASE)
_HTTP = re.compile(r"^https?://", re.IGNORECASE)
_OPENER = re.compile(r"\[(?!(?:[^\[\]\n]*\](?:(?!\()|\([^()\n]*\))))|<(?![^<>\n]*>)|`+")
_TICK = re.compile(r"(?<!\\)((?:\\\\)*)`")
# Marks that turn the direction of writing (Unicode Standard Annex 9): one could reverse all that follows.
_TURNS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
_HELD = 4000


@dataclass(frozen=True, slots=True)
class _Kept:
    """A link that stays."""

    label: str
    url: str


def safe_markdown(text: str, links: frozenset[str], escape: Escape) -> str:
    """Neutralise mentions, and links that are not among `links` (see `allowed_links`).

    A foreign link leaves its text; a bare one stays readable and is no link any more. Code stays as it is to
    the eye. `escape` is given prose without links and makes literal what the platform would else read.
    """
    return "".join(
        _still(piece.text, links) if piece.code else _prose(piece.text, links, escape)
        for piece in pieces(_lines(text))
    )


def safe_words(text: str) -> str:
    """The same for a text without any markup: no mention and no link stays."""
    parts = _parts(_decoded(text), frozenset())
    return _quiet("".join(part if isinstance(part, str) else part.label for part in parts))


class SafeStream:
    """Makes a text harmless that arrives in pieces; half a link or mention waits for its other half."""

    def __init__(self, links: frozenset[str], escape: Escape) -> None:
        self._links = links
        self._escape = escape
        self._held = ""
        # Before a text that goes on in the middle of a line, so that no fence is seen to begin there.
        self._before = ""

    def push(self, delta: str) -> str:
        """Take a further piece and return what may be shown now, perhaps nothing."""
        self._held += delta
        settled = _settled(self._before + self._held) - len(self._before)
        last = max(self._held.rfind(" "), self._held.rfind("\n")) + 1
        return self._show(last if len(self._held) > _HELD else max(0, settled))

    def finish(self) -> str:
        """Return the rest."""
        return self._show(len(self._held))

    def _show(self, cut: int) -> str:
        ready, self._held = self._held[:cut], self._held[cut:]
        made = safe_markdown(self._before + ready, self._links, self._escape).removeprefix(self._before)
        if ready:
            self._before = "" if ready.endswith("\n") else JOINER
        return made


def _settled(text: str) -> int:
    """How much of a text nothing that follows can change; it ends with a word or a line of prose."""
    settled = place = 0
    found = pieces(text)
    for piece in found:
        if piece.is_open:
            break
        if not piece.code:
            opener = _OPENER.search(piece.text)
            open_still = opener is not None and "\n\n" not in piece.text[opener.start() :]
            end = opener.start() if opener and open_still else len(piece.text)
            last = max(piece.text.rfind(" ", 0, end), piece.text.rfind("\n", 0, end))
            settled = place + last + 1 if last >= 0 else settled
            if open_still:
                break
        place += len(piece.text)
    # A fence's first line is one only as long as no backtick follows on it.
    cut = pieces(text[:settled])
    same = all(one.code == other.code for one, other in zip(cut, found, strict=False))
    return (
        settled
        if same and [one.text for one in cut[:-1]] == [one.text for one in found[: len(cut) - 1]]
        else 0
    )


def _still(code: str, links: frozenset[str]) -> str:
    def link(found: re.Match[str]) -> str:
        if canonical(trimmed(found[0])) in links:
            return found[0]
        return f"{found[1]}{JOINER}{found[2].replace('://', f':{JOINER}//')}"

    return _CODE_LINK.sub(link, _CODE_CALL.sub(rf"\g<0>{JOINER}", code))


def _prose(text: str, links: frozenset[str], escape: Escape) -> str:
    made: list[str] = []
    loose = ""
    for part in _parts(_decoded(text), links):
        if isinstance(part, str):
            loose += part
            continue
        # Before a link `!` makes a picture of it, and `\\` takes its bracket for a letter.
        made.append(escape(_unticked(loose + JOINER if loose.endswith(("!", "\\")) else loose)))
        label = escape(_unticked(part.label))
        made.append(f"[{label}]({part.url})" if label else f"<{part.url}>")
        loose = ""
    return "".join([*made, escape(_unticked(loose))])


def _parts(text: str, links: frozenset[str]) -> Iterator[str | _Kept]:
    """The links that stay, and between them text that has none left in link syntax."""
    seen = fold(text)
    end = 0
    for token in _TOKEN.finditer(seen.text):
        yield text[end : seen.places[token.start()]]
        end = seen.places[token.end()]
        yield from _part(token, links)
    yield text[end:]


def _part(token: re.Match[str], links: frozenset[str]) -> Iterator[str | _Kept]:
    if sign := token["sign"]:
        name = token["called"] or token["id"]
        yield f"{'#' if sign == '#' else '@ '}{name.lstrip('@#!')}"
    elif token["target"]:
        yield from _link(token["name"] or "", token["target"], links)
    elif token["label"] is not None:
        yield from _link(token["label"], token["to"], links)
    elif run := token["bare"]:
        url = trimmed(run)
        yield from _link("", url, links)
        yield run[len(url) :]


def _link(label: str, url: str, links: frozenset[str]) -> Iterator[str | _Kept]:
    own = canonical(url)
    label = label.strip()
    if own is None or own not in links:
        yield label or _HTTP.sub("", url)
    else:
        yield _Kept("" if misleads(label, own) else label, own)


def _unticked(text: str) -> str:
    """Quiet prose in which no mark opens or closes code: what is code has been taken out of it."""
    return _TICK.sub(r"\1\\`", _quiet(text)).replace("~~~", f"~~{JOINER}~")


def _quiet(text: str) -> str:
    """Take the power from what is left: calls, halves of links, names of sites."""
    seen = fold(text)
    made: list[str] = []
    end = 0
    for found in _QUIET.finditer(seen.text):
        kind = found.lastgroup or ""
        made += [text[end : seen.places[found.start()]], _INSTEAD[kind]]
        end = seen.places[found.end()]
    return "".join([*made, text[end:]])


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _decoded(text: str) -> str:
    """A text whose entities are the characters that they stand for, also where they are wrapped again."""
    text = text.translate(_TURNS)
    for _ in range(4):
        plain = html.unescape(_AMPERSAND.sub("&", text))
        if plain == text:
            return text
        text = plain
    return text.replace("&", "& ")
