"""The bot's short lines: what it says of itself, what it refuses, whom it calls."""

from __future__ import annotations

import re

from connectors.conversation import Answer
from connectors.slack.blocks import Message, context, section
from connectors.slack.safe_text import mrkdwn
from connectors.wording import CALLED_BY_BUTTON, help_wanted, may_not_cancel, shared_by

_EXPERT = re.compile(r"(user|group):([A-Z0-9]{2,30})")
_QUOTED = 300


def said(text: str) -> Message:
    """One line that the bot says of itself; whatever stands in it is made harmless."""
    words = mrkdwn(" ".join(text.split())) or "…"
    return Message(words, (section(words),))


def refused(reason: str) -> Message:
    """The question or the command is not taken, and why."""
    return said(reason)


def called(expert: str, asker: str, answer: Answer) -> Message | None:
    """Call the person or group that the settings name as `user:U123` or `group:S123`, for `user:U456`.

    The one message that mentions people on purpose. None if either name is not one of Slack's.
    """
    whom, who = _mention(expert), _mention(asker)
    if not whom or not who:
        return None
    question = mrkdwn(" ".join(answer.question.split()), _QUOTED)
    line = help_wanted(whom, who, question)
    return Message(line, (section(line), context(CALLED_BY_BUTTON)))


def shared(asker: str) -> str:
    """The line above an answer that a person chose to show to all."""
    return shared_by(_mention(asker))


def not_yours_to_cancel(starter: str) -> Message:
    """What a person is told, for these eyes alone, who may not cancel what another started."""
    line = may_not_cancel(_mention(f"user:{starter}") or "who started it")
    return Message(line, (section(line),))


def _mention(principal: str) -> str:
    found = _EXPERT.fullmatch(principal)
    if not found:
        return ""
    return f"<@{found[2]}>" if found[1] == "user" else f"<!subteam^{found[2]}>"
