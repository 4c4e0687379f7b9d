"""Where the messages of one answer stand: in a channel or thread, or under an interaction.

https://discord.com/developers/docs/interactions/receiving-and-responding
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Literal, Protocol, cast

import discord
from aiohttp import ClientError

from connectors.discord.heard import Ticket
from connectors.discord.names import thread_name

# An interaction's token is good for 15 minutes.
TOKEN_SECONDS = 840.0
_ORIGINAL = cast(int, "@original")

# Errors of one call to Discord: what it refused, what broke on the way, what took too long.
CALL_ERRORS = (discord.DiscordException, ClientError, OSError, TimeoutError)

_A_DAY: Literal[1440] = 1440
_THREAD_IS_THERE = 160004
# Unknown message, webhook or interaction; a token that is not good any more.
_STALE = frozenset({10008, 10015, 10062, 50027})

_QUIETLY = discord.AllowedMentions.none()


class Board(Protocol):
    """Messages of the bot, of which the first is edited. Every method may raise one of `CALL_ERRORS`."""

    async def show(self, view: discord.ui.LayoutView) -> None:
        """Let the first message be this, whatever it was."""
        ...

    async def post(self, view: discord.ui.LayoutView) -> None:
        """A further message."""
        ...

    async def remove(self) -> None:
        """Delete the first message."""
        ...

    async def typing(self) -> None:
        """Show that the bot writes, for some seconds."""
        ...


class ChannelBoard:
    """Messages in a channel or thread; where the bot may not write, in the direct messages of `person`.

    The answer to a message refers to it. A `thread` that is not there yet is opened from that message with
    the first word. What is posted twice under the same `key` within minutes is one message to Discord.
    """

    def __init__(
        self,
        client: discord.Client,
        ticket: Ticket,
        key: str,
        destination: str,
        message: str = "",
        opens_thread: str = "",
    ) -> None:
        self._client = client
        self._ticket = ticket
        self._key = key
        self._destination = int(destination)
        self._message = int(message or 0)
        self._question = opens_thread
        self._opening = asyncio.Lock()
        self._posted = 0
        self._shown: discord.Message | None = None

    def adopt(self, message: discord.Message) -> None:
        """A message that another process began."""
        self._shown = message
        self._question = ""

    async def show(self, view: discord.ui.LayoutView) -> None:
        """Edit the first message, else post it."""
        if self._shown is not None:
            try:
                await self._shown.edit(view=view, allowed_mentions=_QUIETLY)
                return
            except discord.NotFound:
                self._shown = None
        self._shown = await self.posted(view)

    async def post(self, view: discord.ui.LayoutView) -> None:
        """Post a further message."""
        await self.posted(view)

    async def remove(self) -> None:
        """Delete the first message, if there is one."""
        shown, self._shown = self._shown, None
        if shown is not None:
            await shown.delete()

    async def typing(self) -> None:
        """Show it where the answer will be."""
        await self._open_thread()
        await self._client.http.send_typing(self._destination)

    async def posted(self, view: discord.ui.LayoutView) -> discord.Message:
        """Post a message, and give it."""
        await self._open_thread()
        self._posted += 1
        try:
            return await self._sent(view)
        except discord.Forbidden:
            user = await self._client.create_dm(discord.Object(int(self._ticket.user)))
            if user.id == self._destination:
                raise
            self._destination, self._message = user.id, 0
            return await self._sent(view)

    async def _sent(self, view: discord.ui.LayoutView) -> discord.Message:
        channel = self._client.get_partial_messageable(self._destination)
        asked: dict[str, Any] = {}
        if self._message and self._message != self._destination:
            asked["reference"] = discord.MessageReference(
                message_id=self._message, channel_id=self._destination, fail_if_not_exists=False
            )
        return await channel.send(
            view=view, nonce=_nonce(self._key, self._posted), allowed_mentions=_QUIETLY, **asked
        )

    async def _open_thread(self) -> None:
        """Open the thread; where that is not to be, the answer goes below the message itself."""
        async with self._opening:
            question, self._question = self._question, ""
            if not question:
                return
            channel = int(self._ticket.channel)
            try:
                await self._client.http.start_thread_with_message(
                    channel, self._message, name=thread_name(question), auto_archive_duration=_A_DAY
                )
            except discord.HTTPException as error:
                if error.code != _THREAD_IS_THERE:
                    self._destination = channel


class InteractionBoard:
    """The response to an interaction that was deferred; `later` is for what comes when its token is stale."""

    def __init__(
        self,
        client: discord.Client,
        ticket: Ticket,
        later: ChannelBoard,
        *,
        alone: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._webhook = discord.Webhook.partial(int(ticket.application), ticket.token, client=client)
        self._at = ticket.at
        self._later = later
        self._alone = alone
        self._clock = clock
        self._is_stale = False

    async def show(self, view: discord.ui.LayoutView) -> None:
        """Edit the response."""
        edited = self._webhook.edit_message
        if not await self._done(lambda: edited(_ORIGINAL, view=view, allowed_mentions=_QUIETLY)):
            await self._later.show(view)

    async def post(self, view: discord.ui.LayoutView) -> None:
        """Follow up."""
        send, alone = self._webhook.send, self._alone
        if not await self._done(
            lambda: send(view=view, ephemeral=alone, allowed_mentions=_QUIETLY, wait=True)
        ):
            await self._later.post(view)

    async def remove(self) -> None:
        """Delete the response."""
        if not await self._done(lambda: self._webhook.delete_message(_ORIGINAL)):
            await self._later.remove()

    async def typing(self) -> None:
        """Discord shows it of a deferred response."""

    async def _done(self, call: Callable[[], Awaitable[Any]]) -> bool:
        """Whether a call went through that needs the token; without the token, nothing is done."""
        if self._is_stale or self._clock() - self._at >= TOKEN_SECONDS:
            return False
        try:
            await call()
        except discord.HTTPException as error:
            if error.code not in _STALE:
                raise
            self._is_stale = True
            return False
        return True


async def direct_board(client: discord.Client, ticket: Ticket, key: str) -> ChannelBoard:
    """The direct messages with a person."""
    channel = await client.create_dm(discord.Object(int(ticket.user)))
    return ChannelBoard(client, ticket, key, str(channel.id))


async def shown(board: Board, views: tuple[discord.ui.LayoutView, ...]) -> None:
    """Show some messages, the first in place of what was shown."""
    first, *others = views
    await board.show(first)
    for view in others:
        await board.post(view)


async def quietly(calls: Any) -> None:
    """Do something of which nobody is missing anything."""
    with suppress(*CALL_ERRORS):
        await calls


def _nonce(key: str, number: int) -> int:
    """https://discord.com/developers/docs/resources/message#create-message (`enforce_nonce`)"""
    digest = hashlib.sha256(f"{key}/{number}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1
