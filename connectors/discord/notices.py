"""The bot's short lines: what it says of itself, what it refuses, whom it calls."""

from __future__ import annotations

import re
from dataclasses import dataclass

from discord import AllowedMentions, Object
from discord.ui import LayoutView

from connectors.conversation import Answer
from connectors.discord.layout import small, text, view
from connectors.discord.safe_text import words
from connectors.wording import CALLED_BY_BUTTON, cut, help_wanted, shared_by

_EXPERT = re.compile(r"(?P<kind>user|role|group):(?P<id>[0-9]{1,20})")
_QUOTED = 300
_MOST_QUESTION = 3_000


@dataclass(frozen=True, slots=True)
class Call:
    """The one message that mentions people on purpose, and whom alone it may reach."""

    view: LayoutView
    mentions: AllowedMentions


def said(line: str) -> LayoutView:
    """One line that the bot says of itself; whatever stands in it is made harmless."""
    return view(text(words(" ".join(line.split()))))


def refused(reason: str) -> LayoutView:
    """The question or the command is not taken, and why."""
    return said(reason)


def can_call(expert: str) -> bool:
    """Whether the settings name an expert in Discord: `user:ID`, `role:ID` or `group:ID`."""
    return _EXPERT.fullmatch(expert) is not None


def called(expert: str, asker: int, answer: Answer) -> Call | None:
    """Call the person or role that the settings name, for the person who pressed; None if it is neither."""
    found = _EXPERT.fullmatch(expert)
    if found is None:
        return None
    whom = Object(int(found["id"]))
    is_person = found["kind"] == "user"
    name = f"<@{whom.id}>" if is_person else f"<@&{whom.id}>"
    question = words(cut(" ".join(answer.question.split()), _QUOTED))
    line = help_wanted(name, f"<@{asker}>", question)
    mentions = AllowedMentions.none()
    if is_person:
        mentions.users = [whom]
    else:
        mentions.roles = [whom]
    return Call(view(text(f"{line}\n{small(CALLED_BY_BUTTON)}")), mentions)


def asked_aloud(asker: int, question: str) -> LayoutView:
    """The message over an answer to a question that was not written in the channel."""
    quoted = "\n".join(f"> {line}" for line in words(question, _MOST_QUESTION).splitlines())
    return view(text(f"{shared_by(f'<@{asker}>')}\n{quoted}"))
