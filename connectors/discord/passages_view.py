"""What was read for an answer, for one person's eyes: each passage with its score, and which were cited."""

from __future__ import annotations

from discord.ui import LayoutView

from connectors.conversation import Answer, ReadPassage
from connectors.discord.layout import MOST_CHARACTERS, boxed, packed, small, text, view
from connectors.discord.safe_text import link, words
from connectors.wording import NOTHING_READ, more_passages, passage_name, passage_score, read_for

_MOST = 20
_TEXT = 700


def passages_views(answer: Answer) -> tuple[LayoutView, ...]:
    """The messages, of which each holds some passages."""
    if not answer.read:
        return (view(text(NOTHING_READ)),)
    lines = [small(read_for(answer, words))]
    lines += [_passage(place, one, answer) for place, one in enumerate(answer.read[:_MOST], start=1)]
    if len(answer.read) > _MOST:
        lines.append(small(more_passages(len(answer.read) - _MOST)))
    most = MOST_CHARACTERS
    return tuple(view(boxed(text(part))) for part in packed(lines, most, most, "\n\n"))


def _passage(place: int, passage: ReadPassage, answer: Answer) -> str:
    """A passage as it stands in the document; its lines stay, for tables and code have them."""
    quoted = "\n".join(f"> {line}" for line in words(passage.text.strip(), _TEXT).splitlines())
    name = f"**{place}.** {passage_name(passage, link)}"
    return f"{name}\n{quoted or '> (empty)'}\n{small(passage_score(passage, answer))}"
