"""What all listeners share: how a thing that Discord delivered is taken, done, and finished."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import discord

from connectors.asking import Questions
from connectors.background import Background
from connectors.conversation import Asker
from connectors.discord.audience import Audience, Guilds
from connectors.discord.boards import Board, ChannelBoard, InteractionBoard
from connectors.discord.complaints import explain
from connectors.discord.files import Files
from connectors.discord.heard import PLATFORM, Ticket
from connectors.discord.notices import refused
from connectors.log import Log
from connectors.ports import Delivery, Ports

_INBOX_TRIES = (0.2, 1.0, 5.0, 10.0, 20.0, 30.0, 30.0, 30.0)

Work = Callable[[], Coroutine[Any, Any, None]]


class Desk:
    """The connector's parts.

    `rest` makes the calls; it lives as long as the connector. `guilds` tells what the connection to the
    gateway knows at the moment.
    """

    def __init__(
        self,
        ports: Ports,
        rest: discord.Client,
        guilds: Callable[[], Guilds],
        audience: Audience,
        files: Files,
        questions: Questions,
        log: Log,
    ) -> None:
        self.ports = ports
        self.rest = rest
        self.audience = audience
        self.files = files
        self.questions = questions
        self.log = log
        self.background = Background(PLATFORM, questions, log, explain)
        self._guilds = guilds

    @property
    def guilds(self) -> Guilds:
        return self._guilds()

    @property
    def bot(self) -> discord.ClientUser:
        """Who the bot is."""
        user = self.rest.user
        if user is None:
            raise RuntimeError("Discord has not said who the bot is")
        return user

    async def take(self, key: str, payload: Mapping[str, Any]) -> bool:
        """Whether this process is to do it. Discord delivers once, so it is tried again for two minutes."""
        for seconds in _INBOX_TRIES:
            try:
                return await self.ports.inbox.take(Delivery(key, PLATFORM, payload))
            except Exception as error:
                self.log.error("delivery not taken", key=key, error=explain(error), again_in=seconds)
            await asyncio.sleep(seconds)
        return await self.ports.inbox.take(Delivery(key, PLATFORM, payload))

    def begin(self, work: Coroutine[Any, Any, None], ticket: Ticket, key: str | None = None) -> None:
        """Do something beside, of whose failure the person of the ticket is told."""
        self.background.begin(work, self.teller(ticket), key)

    def begin_press(self, key: str, ticket: Ticket, work: Work) -> None:
        """The same for what a button asks, in one process; after a restart the person may press again."""

        async def taken() -> None:
            if await self.take(key, {}):
                await self.to_its_end(key, work())

        self.begin(taken(), ticket)

    async def to_its_end(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        """Do something that was taken, and finish it; what is cut off is left for another process."""
        try:
            await work
        except Exception:
            await self.questions.finished(key)
            raise
        await self.questions.finished(key)

    async def once_for_all(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        """Do something that was taken, and finish it; what fails may be asked for again."""
        try:
            await work
        except Exception:
            await self.questions.released(key)
            raise
        await self.questions.finished(key)

    def teller(self, ticket: Ticket) -> Callable[[str], Awaitable[None]]:
        """What says one line to a person."""
        return partial(self.say, ticket)

    async def say(self, ticket: Ticket, line: str) -> None:
        """Say one line to a person, for this person's eyes alone."""
        await self.private_board(ticket, f"say/{ticket.channel}/{line}").show(refused(line))

    def private_board(self, ticket: Ticket, key: str) -> Board:
        """Messages for one person: under the interaction while that lasts, else direct ones."""
        direct = ChannelBoard(self.rest, ticket, key)
        return InteractionBoard(self.rest, ticket, direct, alone=True) if ticket.token else direct

    def channel_board(
        self, ticket: Ticket, key: str, destination: str, message: str = "", opens_thread: str = ""
    ) -> ChannelBoard:
        """Messages that all see who read a channel."""
        return ChannelBoard(self.rest, ticket, key, destination, message, opens_thread)

    async def asker(self, ticket: Ticket) -> Asker:
        """The person of a ticket."""
        return await self.audience.asker(self.guilds, ticket.guild, ticket.user)

    async def is_admin(self, ticket: Ticket) -> bool:
        """Whether the person of a ticket may give commands that change something."""
        return self.ports.administering.is_admin(await self.asker(ticket))


async def deferred(interaction: discord.Interaction[Any], *, alone: bool) -> None:
    """Tell Discord that an answer comes.

    Another process may have told it, it may be too late for it, or the call may break: the answer is made all
    the same, and finds another way when this one is closed.
    """
    with suppress(Exception):
        await interaction.response.defer(ephemeral=alone, thinking=True)
