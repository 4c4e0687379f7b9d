"""Whether a message that a person wrote is for the bot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from connectors.asking import Questions
from connectors.conversation import Place
from connectors.ports import Ports

_QUESTION_MARKS = ("?", "\uff1f", "\u061f", "\u037e", "\u2e2e")


class Message(Protocol):
    """What was heard. `how` is "thread" or "overheard" for what was not addressed to the bot."""

    @property
    def how(self) -> str: ...

    @property
    def text(self) -> str: ...

    @property
    def calls(self) -> Sequence[str]: ...

    @property
    def conversation(self) -> str: ...


class Attention:
    """Decides it by the manners of the place, and by whether the bot takes part in the conversation."""

    def __init__(self, ports: Ports, questions: Questions) -> None:
        self._ports = ports
        self._questions = questions

    async def is_asked(self, heard: Message, place: Place) -> bool:
        """Whether a message is a question to the bot, as far as can be told without asking the platform.

        In a thread where the bot takes part, a message that calls nobody else is; in a channel in the mode
        `auto`, one with a question mark. Neither is where the bot was told to be quiet.
        """
        if heard.how not in ("thread", "overheard"):
            return True
        if heard.calls or not heard.text or (heard.how == "overheard" and not asks(heard.text)):
            return False
        mode = await self._ports.manners.mode(place)
        if heard.how == "thread":
            return mode != "off" and await self._takes_part(heard) and not await self._is_quiet(heard)
        return mode == "auto" and not await self._is_quiet(heard)

    async def _takes_part(self, heard: Message) -> bool:
        if self._questions.is_busy_with(heard.conversation):
            return True
        return await self._ports.memory.takes_part(heard.conversation)

    async def _is_quiet(self, heard: Message) -> bool:
        return await self._ports.manners.is_quiet(heard.conversation)


def asks(text: str) -> bool:
    """Whether a message that nobody addressed to the bot asks something: it has a question mark."""
    return any(mark in text for mark in _QUESTION_MARKS)
