"""How things are named: what a person can press, and the thread of a question."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from connectors.discord.safe_text import plain

PREFIX = "lorebot"
JUDGE = f"{PREFIX}:judge:"
HELPFUL = "up"

# https://docs.discord.com/developers/resources/channel#channel-object-channel-structure
_MOST_NAME = 100


def custom_id(kind: str, of: str) -> str:
    """The name of a button or form; what it is about, at most 80 characters, comes back when it is used."""
    return f"{PREFIX}:{kind}:{of}"


def template(kind: str) -> re.Pattern[str]:
    """What `custom_id` makes, to be recognised."""
    return re.compile(rf"{PREFIX}:{kind}:(?P<of>\S{{1,80}})\Z")


def answer_id(components: Iterable[Any]) -> str | None:
    """The id of the answer that a message of the bot completes, from its `components`; None if it is none."""
    for component in components:
        found = template(HELPFUL).match(str(getattr(component, "custom_id", None) or ""))
        inner = found["of"] if found else answer_id(getattr(component, "children", ()))
        if inner is not None:
            return inner
    return None


def thread_name(question: str) -> str:
    """The name of the thread that a question opens."""
    return plain(question, _MOST_NAME) or "Question"
