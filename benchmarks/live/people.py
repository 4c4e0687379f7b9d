"""People who ask in a local Slack, and what they see of it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "servers"))

from slack_platform import Shown, SlackPlatform

_LOOK_SECONDS = 0.05


@dataclass(slots=True)
class Asked:
    """One question; `whole` is how many seconds it took until its answer stood there complete, `sign` until

    a person saw that something is done about it. None is not (yet).
    """

    channel: str
    ts: str
    at: float
    text: str
    sign: float | None = None
    whole: float | None = None


def is_complete(shown: Shown) -> bool:
    """Whether a message is an answer to its end: it can be judged."""
    return shown.stream in ("", "stopped") and bool(shown.elements("feedback_buttons"))


async def ask(slack: SlackPlatform, person: str, channel: str, text: str) -> Asked:
    """Mention the bot in a channel, or write to it directly."""
    is_direct = slack.channels[channel]["is_im"]
    said = await (slack.say if is_direct else slack.mention)(person, channel, text)
    return Asked(channel, said.ts, time.monotonic(), text)


async def answered(slack: SlackPlatform, asked: Asked, seconds: float) -> bool:
    """Wait so long for the whole answer; whether it came."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if any(map(is_complete, slack.answers(asked.channel, asked.ts))):
            asked.whole = time.monotonic() - asked.at
            asked.sign = slack.first_sign(asked.channel, asked.ts)
            return True
        await asyncio.sleep(_LOOK_SECONDS)
    return False


async def ask_on(
    slack: SlackPlatform,
    person: str,
    channel: str,
    next_question: Callable[[], str],
    pause: Callable[[], float],
    ends: float,
    patience: float,
) -> list[Asked]:
    """One person who asks, waits for the answer, and after a pause asks again, until `ends` (monotonic)."""
    asked = []
    while time.monotonic() < ends:
        one = await ask(slack, person, channel, next_question())
        asked.append(one)
        if not await answered(slack, one, patience):
            return asked
        await asyncio.sleep(pause())
    return asked
