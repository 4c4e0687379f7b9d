"""Text of models, documents and people, made harmless for what Discord draws.

https://docs.discord.com/developers/reference#message-formatting and
https://support.discord.com/hc/en-us/articles/210298617
"""

from __future__ import annotations

import re

from connectors import safe_markdown as safe
from connectors.discord.tables import without_tables
from connectors.markdown_code import Piece, closing, pieces
from connectors.safe_links import JOINER, canonical
from connectors.wording import cut

# A link that is longer is not drawn as one.
LONGEST_URL = 1_000
# Mentions, emoji, times, commands and channel lists all begin with `<`.
_ANGLE = re.compile(r"<(?=\S)")
_ACTIVE = re.compile(r"<(?=a?:\w|t:|id:|/[^>\n]{0,100}:\d)", re.IGNORECASE)
_CALL = re.compile(r"@(?=everyone|here)", re.IGNORECASE)
_SPOILER = re.compile(r"\|(?=\|)")

# An angle bracket around it keeps Discord from showing a preview.
_LINK = re.compile(r"\]\((https?://[^\s()<>]+)\)")

_LINE = r"^(?P<before>(?:[ \t]*> )*[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*)"
_QUOTE = re.compile(r"^[ \t]*(?:>[ \t]?)+(?!$)", re.MULTILINE)
_SMALL_PRINT = re.compile(rf"{_LINE}-(?=#)", re.MULTILINE)
_DEEP_HEADING = re.compile(rf"{_LINE}#{{4,}}[ \t]+(?P<title>[^\n]*)$", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*([-*_])(?:[ \t]*\1){2,}[ \t]*$", re.MULTILINE)
_PLUS = re.compile(r"^([ \t]*)\+(?=[ \t])", re.MULTILINE)

_MARK = re.compile(r"[\\*`~|]|(?<![^\W_])_|_(?![^\W_])")
_START = re.compile(r"^([ \t]*)(?=#|-#|>)", re.MULTILINE)
_FENCE_MARK = re.compile(r"`{3,}|~{3,}")
_LANGUAGE = re.compile(r"[\w+.#-]{1,20}")


def markdown(text: str, links: frozenset[str] = frozenset()) -> str:
    """Markdown for a text display; `links` are those that stay (see `allowed_links`).

    What Discord does not draw becomes what it does: tables, deep headings, lines, fences of other marks.
    Small print and spoilers, which could pass for the bot's own words or hide them, are letters.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    made = safe.safe_markdown(without_tables(lines), links, _escape)
    drawn, prose = "", ""
    for piece in pieces(made):
        if not piece.opening:
            prose += _still(piece.text) if piece.code else _LINK.sub(r"](<\1>)", piece.text)
            continue
        drawn += _drawn(prose) + _still(_fence(piece))
        prose = ""
    return drawn + _drawn(prose)


def words(text: str, most: int = 3_000) -> str:
    """A text without markup for a text display, cut to `most`: nothing in it is markup. Its lines stay."""
    marked = _MARK.sub(r"\\\g<0>", safe.safe_words(text[: 2 * most]))
    made = _escape(_START.sub(r"\1\\", marked))
    if len(made) <= most:
        return made
    short = cut(made, most).removesuffix("…")
    return short[: len(short) - (len(short) - len(short.rstrip("\\"))) % 2] + "…"


def plain(text: str, most: int = 3_000) -> str:
    """One line for a label, a title or a name, which know no markup; cut to `most` characters."""
    return cut(_escape(" ".join(safe.safe_words(text).split())), most)


def link(url: str | None, label: str) -> str:
    """A link without a preview; the label alone if the URL is not http(s)."""
    target = canonical(url or "")
    shown = words(label)
    if target is None or len(target) > LONGEST_URL:
        return shown
    return f"[{shown.replace('[', '(').replace(']', ')')}](<{target}>)"


def _escape(text: str) -> str:
    """Discord knows no entities, and its server reads mentions also behind a backslash."""
    joined = _CALL.sub(f"@{JOINER}", _ANGLE.sub(f"<{JOINER}", text))
    return _SPOILER.sub(f"|{JOINER}", joined)


def _still(code: str) -> str:
    """Code in which nothing is active, should Discord see an end of it where there is none."""
    return _CALL.sub(f"@{JOINER}", _ACTIVE.sub(f"<{JOINER}", code))


def _drawn(prose: str) -> str:
    """Lines as Discord reads them. A quotation of several marks would swallow all that follows."""
    made = _RULE.sub("⸻", _QUOTE.sub("> ", prose))
    made = _PLUS.sub(r"\1-", _SMALL_PRINT.sub(r"\g<before>\\-", made))
    return _DEEP_HEADING.sub(_bold, made)


def _bold(heading: re.Match[str]) -> str:
    title = heading["title"].replace("**", "").rstrip(" \t#")
    return f"{heading['before']}**{title}**" if title else heading["before"]


def _fence(piece: Piece) -> str:
    """A fence between three backticks, which is the only one that Discord knows, and none within."""
    opening, *lines = piece.text.split("\n")
    before, info = _FENCE_MARK.split(opening, maxsplit=1)
    language = next(iter(info.split()), "")
    ending = _FENCE_MARK.sub("```", closing(opening))
    inside = lines if piece.is_open else lines[: _last(lines)]
    body = [line.replace("```", f"``{JOINER}`") for line in inside]
    first = f"{before}```{language if _LANGUAGE.fullmatch(language) else ''}"
    return "\n".join([first, *body, ending]) + "\n" * (piece.text.endswith("\n"))


def _last(lines: list[str]) -> int:
    """Where the closing line of a fence stands."""
    return max(index for index, line in enumerate(lines) if line.strip())
