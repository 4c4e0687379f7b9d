"""The text of one chat message as Markdown that stays within its message."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from knowledge.sources.conversations import storable

_MOST_CHARACTERS = 50_000

_FENCE = "```"
_INLINE_CODE = re.compile(r"(`[^`\n]+`)")
_LANGUAGE = re.compile(r"([\w+#.-]{1,20})\n")
# What `knowledge.outline` would take for a heading, its underline, or a fence.
_STRUCTURE = re.compile(
    r"^([ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?)(?=#{1,6}[ \t]|~{3}|`{3}|={2,}[ \t]*$|-{2,}[ \t]*$)",
    re.MULTILINE,
)
_ATTRIBUTION = re.compile(r"\((\d{4}-\d\d-\d\d[^()\n]{0,20})\)(?=[ \t]*:)")
_SCHEME = re.compile(r"\](?=\((?!\s*(?:https?://|mailto:)))", re.IGNORECASE)
_BULLET = re.compile(r"^([ \t]*)[•◦▪][ \t]*", re.MULTILINE)
_BRACKETS = re.compile(r"[\[\]()*]")
_SKIN_TONE = re.compile(r":skin-tone-\d:")


def message_markdown(text: str, prose: Callable[[str], str], code: Callable[[str], str]) -> str:
    """Make Markdown of a message; `prose` and `code` read the platform's own marks, in code the latter.

    Code fences get lines of their own and are always closed. What could be taken for another message of the
    conversation, or for a heading above others, is disarmed: headings and rules, comments, and names with a
    date in front of a colon. At most 50,000 characters are kept.
    """
    parts = storable(text[:_MOST_CHARACTERS]).replace("\r\n", "\n").split(_FENCE)
    if len(parts) % 2 == 0:
        parts[-2:] = [" ".join(parts[-2:])]
    written = [
        _fenced(code(part)) if place % 2 else _prose(part, prose, code) for place, part in enumerate(parts)
    ]
    return re.sub(r"\n{3,}", "\n\n", "".join(written)).strip()


def with_attached(markdown: str, names: Iterable[str]) -> str:
    """Add the names of what is attached to a message."""
    listed = ", ".join(" ".join(_BRACKETS.sub(" ", storable(name)).split())[:200] for name in names)
    return f"{markdown} (attached: {listed})".strip() if listed else markdown


def with_emoji(text: str) -> str:
    """Write emoji that go by a common name (`:tada:`) as such; names of a team's own stay."""
    from rich.emoji import Emoji

    return Emoji.replace(_SKIN_TONE.sub("", text))


def _fenced(code: str) -> str:
    language = _LANGUAGE.match(code)
    head = language[1] if language else ""
    body = code[language.end() :] if language else code
    body = body.strip("\n").replace(_FENCE, "'''")
    return f"\n{_FENCE}{head}\n{body}\n{_FENCE}\n" if body.strip() else ""


def _prose(text: str, prose: Callable[[str], str], code: Callable[[str], str]) -> str:
    pieces = _INLINE_CODE.split(text)
    read = "".join(code(piece) if place % 2 else prose(piece) for place, piece in enumerate(pieces))
    read = _BULLET.sub(r"\1- ", read).replace("<!--", "&lt;!--")
    read = _STRUCTURE.sub(r"\1\\", read)
    return _SCHEME.sub("] ", _ATTRIBUTION.sub(r"\1", read))
