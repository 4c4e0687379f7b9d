"""Where the messages of one answer stand: in a channel or thread, or under an interaction.

https://discord.com/developers/docs/interactions/receiving-and-responding
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Literal, Protocol, TypeVar, cast

import discord
from aiohttp import ClientError

from connectors.discord.heard import Ticket
from connectors.discord.names import thread_name

# An interaction's token is good for 15 minutes.
TOKEN_SECONDS = 840.0
_ORIGINAL = cast(int, "@original")

# What breaks on the way: nobody knows whether Discord did what was asked.
_BROKEN = (ClientError, OSError, TimeoutError)
_AGAIN_AFTER_SECONDS = (0.3, 2.0)

# Errors of one call to Discord: what it refused, what broke on the way, what took too long.
CALL_ERRORS = (discord.DiscordException, *_BROKEN)

_A_DAY: Literal[1440] = 1440
_THREAD_IS_THERE = 160004
# Unknown message, webhook or interaction; a token that is not good any more.
_STALE = frozenset({10008, 10015, 10062, 50027})

_QUIETLY = discord.AllowedMentions.none()

_Result = TypeVar("_Result")


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
    """Messages in a channel or thread; in the direct messages of the ticket's person without a `destination`,
    and where the bot may not write.

    The answer to a message refers to it. A thread that is not there yet is opened from that message with the
    first word. What is posted twice under the same `key` within minutes is one message to Discord.
    """

    def __init__(
        self,
        client: discord.Client,
        ticket: Ticket,
        key: str,
        destination: str = "",
        message: str = "",
        opens_thread: str = "",
    ) -> None:
        self._client = client
        self._ticket = ticket
        self._key = key
        self._destination = int(destination or 0)
        self._message = int(message or 0)
        self._question = opens_thread
        self._opening = asyncio.Lock()
        self._posted = 0
        self._shown: discord.Message | None = None
        self._left: list[discord.Message] = []
        self._was_begun = self._may_be_there = False

    def begun_by_another(self, messages: Sequence[discord.Message]) -> None:
        """Another process has posted these messages, and perhaps some that were not found."""
        self._was_begun = self._may_be_there = True
        if messages:
            self._shown, *self._left = messages
            self._posted, self._question = 1, ""

    async def show(self, view: discord.ui.LayoutView) -> None:
        """Edit the first message, else post it."""
        if self._shown is not None:
            edit = self._shown.edit
            try:
                await _persistently(lambda: edit(view=view, allowed_mentions=_QUIETLY))
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
        await self._client.http.send_typing(await self._place())

    async def posted(self, view: discord.ui.LayoutView) -> discord.Message:
        """Post a message, and give it."""
        return await _persistently(lambda: self._post(view))

    async def _post(self, view: discord.ui.LayoutView) -> discord.Message:
        """Discord gives the message that is there under the same key, which perhaps says something else."""
        await self._open_thread()
        is_doubtful, self._may_be_there = self._may_be_there, True
        message = self._left[0] if self._left else await self._sent_somewhere(view)
        if is_doubtful:
            message = await message.edit(view=view, allowed_mentions=_QUIETLY)
        del self._left[:1]
        self._posted += 1
        self._may_be_there = self._was_begun
        return message

    async def _sent_somewhere(self, view: discord.ui.LayoutView) -> discord.Message:
        try:
            return await self._sent(view)
        except discord.Forbidden:
            direct = await self._direct()
            if direct == self._destination:
                raise
            self._destination, self._message = direct, 0
            return await self._sent(view)

    async def _sent(self, view: discord.ui.LayoutView) -> discord.Message:
        place = await self._place()
        asked: dict[str, Any] = {}
        if self._message and self._message != place:
            asked["reference"] = discord.MessageReference(
                message_id=self._message, channel_id=place, fail_if_not_exists=False
            )
        return await self._client.get_partial_messageable(place).send(
            view=view, nonce=_nonce(self._key, self._posted + 1), allowed_mentions=_QUIETLY, **asked
        )

    async def _place(self) -> int:
        if not self._destination:
            self._destination = await self._direct()
        return self._destination

    async def _direct(self) -> int:
        return (await self._client.create_dm(discord.Object(int(self._ticket.user)))).id

    async def _open_thread(self) -> None:
        """Open the thread; where that is not to be, the answer goes below the message itself."""
        async with self._opening:
            if not self._question:
                return
            channel = int(self._ticket.channel)
            try:
                await self._client.http.start_thread_with_message(
                    channel, self._message, name=thread_name(self._question), auto_archive_duration=_A_DAY
                )
            except discord.HTTPException as error:
                if error.code != _THREAD_IS_THERE:
                    self._destination = channel
            self._question = ""


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
        self._client = client
        self._ticket = ticket
        self._webhook = _webhook(client, ticket)
        self._later = later
        self._alone = alone
        self._clock = clock
        self._is_stale = False
        self._left_behind = 0

    async def show(self, view: discord.ui.LayoutView) -> None:
        """Edit the response."""
        edited = self._webhook.edit_message
        shown = await self._done(
            lambda: _persistently(lambda: edited(_ORIGINAL, view=view, allowed_mentions=_QUIETLY))
        )
        if shown is not None:
            self._left_behind = shown.id
            return
        await self._later.show(view)
        await self._clear_away()

    async def post(self, view: discord.ui.LayoutView) -> None:
        """Follow up."""
        send, alone = self._webhook.send, self._alone
        posted = await self._done(
            lambda: send(view=view, ephemeral=alone, allowed_mentions=_QUIETLY, wait=True)
        )
        if posted is None:
            await self._later.post(view)

    async def remove(self) -> None:
        """Delete the response."""
        if await self._done(self._delete) is None:
            await self._later.remove()
            await self._clear_away()

    async def typing(self) -> None:
        """Discord shows it of a deferred response."""

    async def _delete(self) -> bool:
        await self._webhook.delete_message(_ORIGINAL)
        return True

    async def _clear_away(self) -> None:
        """Delete what was shown under the interaction, as far as it is a message like others."""
        left, self._left_behind = self._left_behind, 0
        if left and not self._alone:
            await quietly(self._client.http.delete_message(int(self._ticket.channel), left))

    async def _done(self, call: Callable[[], Awaitable[_Result]]) -> _Result | None:
        """What a call gives that needs the token; without the token, nothing is done."""
        if self._is_stale or self._clock() - self._ticket.at >= TOKEN_SECONDS:
            return None
        try:
            return await call()
        except discord.HTTPException as error:
            if error.code not in _STALE:
                raise
            self._is_stale = True
            return None


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


async def _persistently(call: Callable[[], Awaitable[_Result]]) -> _Result:
    """Do again what broke on the way; it must be the same to Discord when it is done twice."""
    for seconds in _AGAIN_AFTER_SECONDS:
        try:
            return await call()
        except _BROKEN:
            await asyncio.sleep(seconds)
    return await call()


def _webhook(client: discord.Client, ticket: Ticket) -> discord.Webhook:
    """The webhook of an interaction; one made by `Webhook.partial` says nothing to one person alone."""
    data = {
        "id": int(ticket.application),
        "type": discord.WebhookType.application.value,
        "token": ticket.token,
    }
    return discord.Webhook.from_state(data=cast(Any, data), state=client._connection)


def _nonce(key: str, number: int) -> int:
    """https://discord.com/developers/docs/resources/message#create-message (`enforce_nonce`)"""
    digest = hashlib.sha256(f"{key}/{number}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1
