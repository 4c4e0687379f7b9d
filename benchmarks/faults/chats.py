"""What people ask on the two local platforms, and what becomes of each question."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from benchmarks.faults.office import Room
from benchmarks.live.people import is_complete

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "servers"))

from discord_platform import DiscordPlatform
from slack_platform import SlackPlatform

# On one stage.
_MOST_QUESTIONS = 500

Fate = Literal["right", "wrong", "told", "lost"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A message of the bot; `is_answer` when it can be judged, as an answer to its end can."""

    words: str
    is_answer: bool


@dataclass(slots=True)
class Question:
    """What somebody asked with the message `id` of a platform; times are monotonic."""

    room: Room
    chat: Chat
    id: str
    at: float = field(default_factory=time.monotonic)
    answered: float | None = None

    @property
    def seen(self) -> Sequence[Seen]:
        """What the bot shows for it now."""
        return self.chat.seen(self.id)

    @property
    def fate(self) -> Fate:
        """The right code, another answer, a line that tells that there is none, or nothing."""
        answers = [each for each in self.seen if each.is_answer]
        if answers:
            return "right" if all(self.room.code in each.words for each in answers) else "wrong"
        return "told" if any(each.words.strip() for each in self.seen) else "lost"

    @property
    def is_doubled(self) -> bool:
        """Whether the bot shows more than one thing for it."""
        return len(self.seen) > 1

    def is_answered(self) -> bool:
        """Whether an answer stands there; looked at often, it knows since when."""
        if self.answered is None and any(each.is_answer for each in self.seen):
            self.answered = time.monotonic()
        return self.answered is not None


class Chat(Protocol):
    """A place where a person asks the bot."""

    name: str

    async def ask(self, room: Room) -> Question:
        """Ask for a room's code."""
        ...

    def seen(self, message: str) -> Sequence[Seen]:
        """What the bot shows to the person for a message."""
        ...


class SlackChat:
    """A channel in Slack, in which everybody asks once: what one person alone is told has its question."""

    name = "slack"

    def __init__(self, slack: SlackPlatform) -> None:
        self._slack = slack
        self._people = [slack.user(f"P{number}") for number in range(_MOST_QUESTIONS)]
        self._channel = slack.channel("help", self._people)
        self._askers: dict[str, str] = {}

    async def ask(self, room: Room) -> Question:
        person = self._people[len(self._askers)]
        said = await self._slack.mention(person, self._channel, room.question)
        self._askers[said.ts] = person
        return Question(room, self, said.ts)

    def seen(self, message: str) -> Sequence[Seen]:
        asker = self._askers[message]
        in_thread = self._slack.answers(self._channel, message)
        alone = {each["ts"] for each in self._slack.whispers if each["shown_to"] == asker}
        shown = self._slack.answers(self._channel, user=asker)
        whispered = [each for each in shown if each.ts in alone]
        return [Seen(each.words, is_complete(each)) for each in (*in_thread, *whispered)]


class DiscordChat:
    """A channel in Discord, where everybody asks once, for the same reason; answers have threads."""

    name = "discord"

    def __init__(self, discord: DiscordPlatform) -> None:
        self._discord = discord
        self._people = [discord.user(f"P{number}") for number in range(_MOST_QUESTIONS)]
        self._channel = discord.channel("help")
        self._askers: dict[str, str] = {}

    async def ask(self, room: Room) -> Question:
        person = self._people[len(self._askers)]
        said = await self._discord.mention(person, self._channel, room.question)
        self._askers[said] = person
        return Question(room, self, said)

    def seen(self, message: str) -> Sequence[Seen]:
        shown = [each for each in self._discord.answers(self._channel) if each.reply_to == message]
        for place in (message, self._discord.dm_channel(self._askers[message])):
            shown += self._discord.answers(place) if place in self._discord.messages else []
        return [Seen(each.words, "Helpful" in each.labels) for each in shown]
