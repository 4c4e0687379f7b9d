"""An answer as Slack messages: its text, its sources, what can be pressed.

https://docs.slack.dev/reference/block-kit/blocks/markdown-block
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime

from connectors.conversation import Answer
from connectors.safe_links import allowed_links
from connectors.slack.blocks import (
    MOST_BLOCKS,
    MOST_CHARACTERS,
    Json,
    Message,
    actions,
    context,
    markdown_block,
)
from connectors.slack.buttons import feedback
from connectors.slack.safe_text import markdown, mrkdwn
from connectors.slack.sources_view import nearest_blocks, source_blocks
from connectors.splitting import split
from connectors.wording import NEAREST, voice_line

# An answer's text keeps at least this much of a message, in which sources come first.
_LEAST_TEXT = 4_000
# Slack draws a Markdown block as several: a heading, a fence, a table, a line, and what is between them.
_DRAWN_APART = re.compile(
    r"^[ \t>]*(?:#{1,6} |```|~~~|\|?[ :]*-{2,}[ :]*\||(?:-{3,}|\*{3,}|_{3,})\s*$)", re.MULTILINE
)
_DRAWN = 15


def answer_messages(answer: Answer, now: datetime, buttons: Sequence[Json] = ()) -> tuple[Message, ...]:
    """The messages of an answer, mostly one; each within Slack's limits.

    The room for sources, thumbs and buttons is taken before the text gets its own, so that they are there
    however long the text is. They stand in the last message; sources that fill it go on in further ones.
    """
    tail = _tail(answer, buttons)
    room = MOST_CHARACTERS - _size(tail)
    first, *further = _shared_out(_sources(answer, now), room - _LEAST_TEXT, room)
    links = allowed_links(answer.citations)
    texts = _parts(markdown(answer.text, links), room - _size(first)) or ("…",)
    groups: list[tuple[Json, ...]] = [(markdown_block(text),) for text in texts[:-1]]
    groups += [(markdown_block(texts[-1]), *first), *further]
    groups[-1] += tail
    said = [mrkdwn(text) for text in (answer.text, *["…"] * (len(groups) - 1))]
    return tuple(Message(text or "…", group) for text, group in zip(said, groups, strict=True))


def stream_ending(answer: Answer, now: datetime, buttons: Sequence[Json] = ()) -> tuple[Json, ...]:
    """The blocks for the end of a stream that has shown the text: sources, voice, thumbs, buttons."""
    tail = _tail(answer, buttons)
    return (*_sources(answer, now)[: MOST_BLOCKS - len(tail) - 2 * _DRAWN], *tail)


def _sources(answer: Answer, now: datetime) -> tuple[Json, ...]:
    if answer.abstained and answer.nearest:
        return (context(f"*{NEAREST}*"), *nearest_blocks(answer.nearest))
    return source_blocks(answer.citations, now)


def _tail(answer: Answer, buttons: Sequence[Json]) -> tuple[Json, ...]:
    pressed = (actions(*buttons),) if buttons else ()
    return (context(voice_line(answer, mrkdwn)), feedback(answer.id), *pressed)


def _shared_out(sources: tuple[Json, ...], first: int, further: int) -> list[tuple[Json, ...]]:
    """The blocks of the sources, in groups that fit into the room of the first message and of the others."""
    groups: list[tuple[Json, ...]] = [()]
    for block in sources:
        room = first if len(groups) == 1 else further
        if groups[-1] and _size((*groups[-1], block)) > room:
            groups.append(())
        groups[-1] += (block,)
    return groups


def _parts(text: str, most: int) -> tuple[str, ...]:
    """The text in parts, none longer than `most` nor drawn as more blocks than a message has for it."""
    found: list[str] = []
    for part in split(text, most):
        many = len(_DRAWN_APART.findall(part)) > _DRAWN and len(part) > 200
        found += _parts(part, len(part) // 2) if many else [part]
    return tuple(found)


def _size(blocks: Sequence[Json]) -> int:
    """The characters of all texts in some blocks; JSON that holds no text counts little."""
    return len(json.dumps(blocks, ensure_ascii=False))
