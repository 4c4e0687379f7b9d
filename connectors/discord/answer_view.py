"""An answer as Discord messages: its text, its sources, who spoke, what can be pressed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from discord.ui import LayoutView, Separator

from connectors.conversation import Answer
from connectors.discord.buttons import HelpfulButton, UnhelpfulButton
from connectors.discord.layout import (
    ACCENT,
    MOST_CHARACTERS,
    QUIET,
    Part,
    boxed,
    packed,
    row,
    size,
    small,
    text,
    view,
)
from connectors.discord.safe_text import link, markdown, words
from connectors.safe_links import allowed_links
from connectors.splitting import split
from connectors.wording import NEAREST, named, source_line, voice_line

# An answer's text keeps at least this much of a message, in which sources come first.
_LEAST_TEXT = 1_500


def answer_views(answer: Answer, now: datetime, buttons: Sequence[Part] = ()) -> tuple[LayoutView, ...]:
    """The messages of an answer, mostly one; each within Discord's limits.

    The room for sources and voice is taken before the text gets its own, so that they are there however long
    the text is. They stand in the last message, with the thumbs and the buttons; sources that fill it go on
    in further ones.
    """
    footer = small(voice_line(answer, words))
    room = MOST_CHARACTERS - size(footer)
    first, *further = packed(_sources(answer, now), room - _LEAST_TEXT, room)
    texts = parts(markdown(answer.text, allowed_links(answer.citations)), MOST_CHARACTERS)
    texts = (*texts[:-1], *parts(texts[-1], room - size(first))) if texts else ("…",)
    boxes = [_boxed(answer, box) for box in (first, *further)[:-1]]
    boxes.append(_boxed(answer, (first, *further)[-1], footer))
    messages: list[list[Part]] = [[text(part)] for part in texts]
    messages[-1].append(boxes[0])
    messages += [[box] for box in boxes[1:]]
    messages[-1].append(row([HelpfulButton(answer.id), UnhelpfulButton(answer.id), *buttons]))
    return tuple(view(*message) for message in messages)


def parts(content: str, most: int) -> tuple[str, ...]:
    """A text in parts, each of which Discord counts as at most `most` characters."""
    found: list[str] = []
    for part in split(content, most):
        found += parts(part, len(part) * most // size(part)) if size(part) > most else [part]
    return tuple(found)


def _boxed(answer: Answer, sources: str, footer: str = "") -> Part:
    """Some sources in a frame, the footer below the last of them; without sources it stands alone."""
    if not sources:
        return text(footer)
    ending = [Separator[LayoutView](), text(footer)] if footer else []
    return boxed(text(sources), *ending, colour=QUIET if answer.abstained else ACCENT)


def _sources(answer: Answer, now: datetime) -> list[str]:
    if answer.abstained and answer.nearest:
        return [f"**{NEAREST}**", *(f"- {named(document, link, words)}" for document in answer.nearest)]
    return [
        small(f"**[{citation.marker}]** {source_line(citation, now, link, words)}")
        for citation in answer.citations
    ]
