"""The connection to the gateway: what it hears goes to the answering, and nothing that comes breaks it."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any

import discord
import yarl
from discord import app_commands
from discord.gateway import KeepAliveHandler

from connectors.discord.answering import Answering
from connectors.discord.buttons import DYNAMIC_ITEMS, Presses
from connectors.discord.complaints import WHOSE, explain
from connectors.discord.desk import Desk
from connectors.discord.heard import asked, message_key, read_message
from connectors.discord.missed import Missed
from connectors.discord.modals import read_judgement
from connectors.discord.pauses import Pauses
from connectors.discord.presses import AnswerPresses
from connectors.discord.sessions import Sessions
from connectors.discord.syncing import sync_commands

# Without these the connection is of no use, and is to be made anew.
_NEEDED = frozenset({"READY", "RESUMED"})

# Where people talk among themselves, the bot is no member and does not know who reads.
_WHERE = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=False)
_TO_SERVERS = app_commands.AppInstallationType(guild=True, user=False)


class LorebotClient(discord.AutoShardedClient):
    """A client that keeps nothing but servers, channels and roles.

    `forums` are the forum channels whose posts are answered of themselves; with `opens_threads` a mention in
    a channel is answered in a thread. `register` gives the command tree its commands, `pauses` makes those of
    a shard.
    """

    def __init__(
        self,
        desk: Desk,
        answering: Answering,
        presses: AnswerPresses,
        missed: Missed,
        sessions: Sessions,
        pauses: Callable[[], Pauses],
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
        self._sessions = sessions
        self._pauses: defaultdict[int, Pauses] = defaultdict(pauses)
        self.presses: Presses = presses
        self._desk = desk
        self._answering = answering
        self._judged = presses
        self._missed = missed
        self._forums = frozenset(forums)
        self._opens_threads = opens_threads
        self._tree = app_commands.CommandTree(self, allowed_contexts=_WHERE, allowed_installs=_TO_SERVERS)
        register(self._tree)
        parsers = self._connection.parsers
        self._connection.parsers = {
            event: parse if event in _NEEDED else self._guarded(event, parse)
            for event, parse in parsers.items()
        }

    async def setup_hook(self) -> None:
        """Before the connection: older buttons work, Discord knows the commands, and a session may begin."""
        self.add_dynamic_items(*DYNAMIC_ITEMS)
        if self.application_id is not None:
            try:
                await sync_commands(self._tree, self.application_id, self._desk.log)
            except discord.HTTPException as error:
                if error.status == 401:
                    raise
                self._desk.log.error("discord commands not synced", error=explain(error))
        await self._sessions.turn(self.fetch_session_start_limits)

    async def launch_shard(self, gateway: yarl.URL, shard_id: int, *, initial: bool = False) -> None:
        """A shard connects for the first time."""
        await super().launch_shard(gateway, shard_id, initial=initial)
        # discord.py, which doubles its pauses up to 17 minutes, takes no others at its front door.
        self.shards[shard_id]._parent._backoff = self._pauses[shard_id]

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """A session is to begin. Raises `SessionsShortError` where one was lost and the next has to wait:
        that ends the client, as Discord keeps no connection without a session for minutes.
        """
        if shard_id in self.shards:
            await self._sessions.check(self.fetch_session_start_limits)
        await self._sessions.begin()

    async def close(self) -> None:
        """End all connections."""
        await super().close()
        # discord.py leaves the heartbeats of connections running that broke before they had a session.
        for thread in threading.enumerate():
            if isinstance(thread, KeepAliveHandler) and thread.ws._connection is self._connection:
                thread.stop()

    async def on_ready(self) -> None:
        """All servers are known."""
        if self.is_closed():
            return
        self._desk.log.info(
            "discord connected", bot=str(self.user), guilds=len(self.guilds), shards=self.shard_count
        )
        self._say_whose()

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Somebody invited the bot."""
        self._say_whose()

    async def on_shard_connect(self, shard: int) -> None:
        """A new session: what was said meanwhile is looked for."""
        self._pauses[shard].began()
        since = self._missed.began(shard, [one.id for one in self.guilds if one.shard_id == shard])
        if shard == 0:
            for message in await self._missed.in_direct(since):
                self.dispatch("message", message)

    async def on_guild_available(self, guild: discord.Guild) -> None:
        """The session knows a server: what was said there meanwhile is looked for."""
        for message in await self._missed.in_guild(guild):
            self.dispatch("message", message)

    async def on_guild_unavailable(self, guild: discord.Guild) -> None:
        """What is said there from now on may be missed."""
        self._missed.went_away(guild.id)

    async def on_shard_disconnect(self, shard: int) -> None:
        """What comes from now on may be missed."""
        self._pauses[shard].broke_off()
        self._missed.broke_off(shard)

    async def on_shard_resumed(self, shard: int) -> None:
        """Nothing was missed, and the next break is no part of this one."""
        self._pauses[shard].went_on()
        self._missed.went_on(shard)

    async def on_message(self, message: discord.Message) -> None:
        """A message: a question perhaps."""
        self._missed.heard(message.channel.id, message.id)
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
            text = asked(event.message, self._desk.bot)
            self._answering.coming.edited(message_key(event.message_id), text)

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        """Nobody waits for the answer any more."""
        self._answering.coming.deleted(message_key(event.message_id))

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

    def _say_whose(self) -> None:
        if not self._desk.audience.knows_team(self):
            self._desk.log.error("discord: only what is public is said", reason=WHOSE)

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


def may_read_content(flags: discord.ApplicationFlags) -> bool:
    """Whether Discord grants the content of messages."""
    return flags.gateway_message_content or flags.gateway_message_content_limited
