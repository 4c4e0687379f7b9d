"""Messages made of Discord's components, and what they hold at most.

https://docs.discord.com/developers/components/reference
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from discord import Colour
from discord.ui import ActionRow, Container, Item, LayoutView, TextDisplay

# What all text displays of a message hold together.
MOST_CHARACTERS = 4_000
ACCENT = Colour(0x5B8DEF)
QUIET = Colour(0x8A8F98)
WARNING = Colour(0xD9534F)

Part = Item[Any]


def view(*parts: Part) -> LayoutView:
    """A message. It never ends by itself: what its buttons do is known without it."""
    made = LayoutView(timeout=None)
    for part in parts:
        made.add_item(part)
    return made


def text(content: str) -> Part:
    """A paragraph; `content` has been made safe."""
    return TextDisplay(content or "…")


def small(content: str) -> str:
    """Small print of one line, to be put into a text."""
    return f"-# {content}"


def boxed(*parts: Part, colour: Colour = ACCENT) -> Part:
    """Parts in a frame with a coloured edge."""
    return Container(*parts, accent_colour=colour)


def row(buttons: Sequence[Part]) -> Part:
    """At most five buttons beside each other."""
    return ActionRow(*buttons)


def size(content: str) -> int:
    """The length of a text as Discord counts at most: in UTF-16 units."""
    return len(content) + sum(character > "\uffff" for character in content)


def packed(lines: Sequence[str], first: int, further: int, gap: str = "\n") -> list[str]:
    """Lines joined to texts, of which the first has `first` characters at most and the others `further`.

    A line is never cut; the first text is empty if no line fits into it.
    """
    texts = [""]
    for line in lines:
        joined = f"{texts[-1]}{gap}{line}" if texts[-1] else line
        if size(joined) > (first if len(texts) == 1 else further):
            texts.append(line)
        else:
            texts[-1] = joined
    return texts
