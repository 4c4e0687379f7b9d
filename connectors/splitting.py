"""Cutting a long Markdown text into messages, at the places where a reader would pause."""

from __future__ import annotations

import re

from connectors.markdown_code import Piece, closing, pieces

# What is read as one thing: links, autolinks, markers with the space before them, entities.
_WHOLE = re.compile(
    r"!?\[[^\[\]\n]*\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*\)|<[^<>\s]+>|[ \t]?\[\d+\]|&[#\w]{1,32};"
)
_PAUSES = (
    re.compile(r"\n[ \t]*\n"),
    re.compile(r"\n"),
    re.compile(r"(?<=[.!?…。！？])[ \t]+(?!\[\d)|(?<=[。！？])"),
    re.compile(r"[ \t]+"),
)
_TABLE_HEAD = re.compile(r"[^\n]*\|[^\n]*\n[ \t]*\|?[ \t:|-]*-[ \t:|-]*\n")
# A pause earlier than this part of the limit wastes the message; a lesser one is taken.
_EARLY = 0.4


def split(text: str, limit: int) -> tuple[str, ...]:
    """Cut a text into parts of at most `limit` characters, at least 100.

    It is cut between paragraphs, else lines, sentences, words; never inside a link or a marker, and inside
    a fence or a table only if that alone is too long: then the fence is opened, or the table's head
    written, again. An empty text has no part.
    """
    parts: list[str] = []
    rest = text.strip("\n").rstrip()
    while len(rest) > limit:
        head = pieces(rest)[0]
        if head.opening and len(head.text) > limit:
            part, rest = _cut_fence(rest, head, limit)
        else:
            part, rest = _cut_prose(rest, limit)
        parts.append(part)
    return tuple(part for part in (*parts, rest) if part.strip())


def _cut_prose(text: str, limit: int) -> tuple[str, str]:
    cut = _pause(text, limit)
    head = _table_head(text, cut)
    if len(head) > limit // 2:
        head = ""
    return text[:cut].rstrip(), head + text[cut:].lstrip("\n" if head else "\n ")


def _cut_fence(text: str, fence: Piece, limit: int) -> tuple[str, str]:
    opening = fence.opening if len(fence.opening) <= limit // 4 else closing(fence.opening)[: limit // 4]
    close = f"\n{closing(opening)}"
    cut = text.rfind("\n", len(fence.opening) + 1, limit - len(close))
    cut = cut if cut > 0 else limit - len(close)
    return text[:cut] + close, f"{opening}\n{text[cut:].removeprefix(chr(10))}"


def _pause(text: str, limit: int) -> int:
    """Where to cut: the last of the best pauses that lies within the limit and outside of whole things."""
    whole = _whole(text, limit)
    last = 0
    for kind in _PAUSES:
        places = reversed([pause.end() for pause in kind.finditer(text, 0, limit)])
        place = next((place for place in places if not _inside(place, whole)), 0)
        if place >= limit * _EARLY:
            return place
        last = max(last, place)
    start = next((begin for begin, end in whole if begin < limit < end), limit)
    return last or start or limit


def _whole(text: str, limit: int) -> list[tuple[int, int]]:
    """The ranges that are not to be cut, as far as the limit."""
    found: list[tuple[int, int]] = []
    start = 0
    for piece in pieces(text):
        if piece.code:
            found.append((start, start + len(piece.text)))
        else:
            found += [(start + one.start(), start + one.end()) for one in _WHOLE.finditer(piece.text)]
        start += len(piece.text)
        if start > limit:
            break
    return found


def _inside(place: int, whole: list[tuple[int, int]]) -> bool:
    return any(begin < place < end for begin, end in whole)


def _table_head(text: str, cut: int) -> str:
    """The first two lines of the table that a cut goes through, "" if it goes through none."""
    start = text.rfind("\n\n", 0, cut)
    paragraph = text[start + 2 : cut] if start >= 0 else text[:cut]
    head = _TABLE_HEAD.match(paragraph)
    inside = head and text[cut - 1] == "\n" and "|" in text[cut:].split("\n", 1)[0]
    return head[0] if head and inside else ""
