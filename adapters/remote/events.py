"""What happens between Lorebot and a model's server, for those who log, count or show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

EventKind = Literal[
    "used",
    "retried",
    "failed",
    "failed over",
    "circuit opened",
    "circuit closed",
    "limit reached",
    "published",
    "refused",
    "withdrawn",
]


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One thing that happened; `reason` is one line for people, "" where nothing went wrong.

    `voice` is the name under which the server knows it. The tokens are those of an answer, whole or not
    ("used"): the server's own count where it gives one, else an estimate.
    """

    kind: EventKind
    model: str
    reason: str = ""
    voice: str = ""
    prompt_tokens: int = 0
    reply_tokens: int = 0


# Called on the event loop: it must not block.
Listener = Callable[[ServerEvent], None]
