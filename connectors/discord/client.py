"""The connection to the gateway: what it hears goes to the answering, and nothing that comes breaks it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection
from typing import Any

import discord
from discord import app_commands

from connectors.discord.answering import Answering
from connectors.discord.buttons import DYNAMIC_ITEMS, Presses
from connectors.discord.complaints import explain
from connectors.discord.desk import Desk
from connectors.discord.heard import message_key, read_message, spoken
from connectors.discord.missed import Missed
from connectors.discord.modals import read_judgement
from connectors.discord.presses import AnswerPresses
from connectors.discord.syncing import sync_commands

# Without these the connection is of no use, and is to be made anew.
_NEEDED = frozenset({"READY", "RESUMED"})


class LorebotClient(discord.AutoShardedClient):
    """A client that keeps nothing but servers, channels and roles.

    `forums` are the forum channels whose posts are answered of themselves; with `opens_threads` a mention in
    a channel is answered in a thread. `register` gives the command tree its commands.
    """

    def __init__(
        self,
        desk: Desk,
        answering: Answering,
        presses: AnswerPresses,
        missed: Missed,
        register: Callable[[app_commands.CommandTree[Any]], None],
        *,
        forums: Collection[str],
        opens_threads: bool,
        reads_content: bool,
    ) -> None:
        super().__init__(
            intents=intents(reads_content),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
        )
        self.presses: Presses = presses
        self._desk = desk
        self._answering = answering
        self._judged = presses
        self._missed = missed
        self._forums = frozenset(forums)
        self._opens_threads = opens_threads
        self._tree = app_commands.CommandTree(self)
        register(self._tree)
        parsers = self._connection.parsers
        self._connection.parsers = {
            event: parse if event in _NEEDED else self._guarded(event, parse)
            for event, parse in parsers.items()
        }

    async def setup_hook(self) -> None:
        """Before the connection: buttons of older messages work, and Discord knows the commands."""
        self.add_dynamic_items(*DYNAMIC_ITEMS)
        if self.application_id is not None:
            try:
                await sync_commands(self._tree, self.application_id, self._desk.log)
            except discord.HTTPException as error:
                if error.status == 401:
                    raise
                self._desk.log.error("discord commands not synced", error=explain(error))

    async def on_ready(self) -> None:
        """A new session: what was said meanwhile is looked for."""
        if self.is_closed():
            return
        self._desk.log.info(
            "discord connected", bot=str(self.user), guilds=len(self.guilds), shards=self.shard_count
        )
        for message in await self._missed.found(self.guilds, self._desk.rest):
            await self.on_message(message)

    async def on_connect(self) -> None:
        """A new session begins."""
        self._missed.began()

    async def on_disconnect(self) -> None:
        """What comes from now on may be missed."""
        self._missed.broke_off(time.time())

    async def on_resumed(self) -> None:
        """Nothing was missed."""
        self._missed.went_on()

    async def on_message(self, message: discord.Message) -> None:
        """A message: a question perhaps."""
        heard = read_message(message, self._desk.bot, self._forums, self._opens_threads)
        if heard is None:
            return
        if not heard.ticket.guild:
            self._missed.direct(message.channel.id)
        self._desk.audience.seen(message.author)
        await self._answering.receive(heard)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        """An edit counts if the answer has not started."""
        if event.message.content and not event.message.author.bot:
            text = spoken(event.message, self._desk.bot)
            self._desk.questions.revise(message_key(event.message_id), text)

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        """Nobody waits for the answer any more."""
        self._desk.questions.cancel(message_key(event.message_id))

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """A form that was sent, perhaps opened before a restart; the rest is seen to elsewhere."""
        if interaction.type is not discord.InteractionType.modal_submit:
            self._desk.audience.seen(interaction.user)
            return
        read = read_judgement(dict(interaction.data or {}))
        if read is not None:
            await self._judged.explained(interaction, *read)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """A listener failed: the log is told, without what people wrote."""
        error = sys.exc_info()[1]
        if error is not None:
            self._desk.log.error("discord listener failed", listener=event_method, error=explain(error))

    def _guarded(self, event: str, parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """discord.py ends the client over one event that it cannot read: that event alone is left out."""

        def guarded(data: Any) -> Any:
            try:
                return parse(data)
            except Exception as error:
                self._desk.log.error("discord event not read", event_name=event, error=explain(error))
                return None

        return guarded


def intents(reads_content: bool) -> discord.Intents:
    """The events that the bot needs; the content of messages that do not mention it only where it may."""
    return discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=reads_content)
