"""A question from Discord, from what was heard to its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import discord

from connectors.asking import Asking, OnlyWhenSure, Surface
from connectors.attention import Attention
from connectors.coming import Coming, Work
from connectors.commands import BeQuiet, Wake
from connectors.conversation import Question
from connectors.discord.boards import CALL_ERRORS, Board, ChannelBoard, InteractionBoard, quietly
from connectors.discord.desk import Desk
from connectors.discord.heard import Heard, Ticket, conversation, message_key, shared_files, spoken
from connectors.discord.names import answer_id
from connectors.discord.notices import refused
from connectors.discord.surface import BoardSurface
from connectors.grammar import CommandError, parse
from connectors.ports import Administered, Delivery
from connectors.reporting import restarted_line
from connectors.wording import NO_TEXT, switched_off

LOOKING_BELOW = "Having a look. The answer comes below the message."

_LOOKED_BACK = 25
_AFTER = 50


class Answering:
    """Decides what is a question to the bot, and has it answered."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._attention = Attention(desk.ports, desk.questions)
        self.coming = Coming(desk.questions)

    async def receive(self, heard: Heard) -> None:
        """Take a question and begin to answer it.

        Raises what keeps it from being taken, if it was not addressed to the bot; else its writer is told.
        """
        if not await self._attention.is_asked(heard, heard.place):
            return
        if heard.how not in ("thread", "overheard"):
            self.take(heard)
        elif not await self._is_quiet_above(heard) and await self._desk.take(heard.key, heard.as_payload()):
            self._begin(heard, partial(self._answer, heard))

    def take(self, heard: Heard) -> None:
        """Answer a question, if it is for this process to answer."""
        self._begin(heard, partial(self._take, heard))

    def _begin(self, heard: Heard, work: Work) -> None:
        self._desk.begin(self.coming.awaiting(heard.key, work), heard.ticket, heard.key)

    async def _take(self, heard: Heard) -> None:
        if await self._desk.take(heard.key, heard.as_payload()):
            await self._answer(heard)

    async def take_up(self) -> None:
        """Answer what processes left that have died."""
        await self._desk.background.begin_again(self._desk.ports.inbox, self._begin_again)

    def _begin_again(self, delivery: Delivery) -> bool:
        """Whether something is to be done; who pressed a button may do it again."""
        desk, key = self._desk, delivery.key
        if "how" in delivery.payload:
            heard = Heard.from_payload(delivery.payload)
            self._begin(heard, partial(self._take_up, heard))
        elif "command" in delivery.payload:
            ticket = Ticket(**delivery.payload["ticket"])
            line = restarted_line(delivery.payload["command"])
            desk.begin(desk.to_its_end(key, desk.say(ticket, line)), ticket)
        else:
            return False
        return True

    async def _take_up(self, heard: Heard) -> None:
        await self._catch_up(heard)
        begun = [] if heard.ticket.token else await self._begun(heard)
        if any(answer_id(message.components) for message in begun):
            await self._desk.questions.finished(heard.key)
        else:
            await self._answer(heard, begun)

    async def _catch_up(self, heard: Heard) -> None:
        """What became of a message while nobody listened."""
        if heard.key != message_key(int(heard.message or 0)):
            return
        channel = self._desk.rest.get_partial_messageable(int(heard.ticket.channel))
        try:
            message = await channel.fetch_message(int(heard.message))
        except discord.NotFound:
            self.coming.deleted(heard.key)
        except CALL_ERRORS:
            return
        else:
            if message.edited_at is not None and heard.how != "forum":
                self.coming.edited(heard.key, spoken(message, self._desk.bot))

    async def _begun(self, heard: Heard) -> list[discord.Message]:
        """What the bot has said to a message: the answer, or how far it was."""
        channel = self._desk.rest.get_partial_messageable(int(heard.destination))
        after = discord.Object(int(heard.message))
        try:
            return [
                message
                async for message in channel.history(after=after, limit=_AFTER, oldest_first=True)
                if message.author.id == self._desk.bot.id and _is_about(message, heard)
            ]
        except CALL_ERRORS:
            return []

    async def _answer(self, heard: Heard, begun: Sequence[discord.Message] | None = None) -> None:
        """Answer a question; `begun` is what a process that has died said to it already."""
        desk = self._desk
        silent = await self._why_not(heard)
        if silent is not None:
            if silent:
                await desk.say(heard.ticket, silent)
            await desk.questions.finished(heard.key)
            return
        if heard.how == "mention" and await self._obeyed(heard):
            await desk.questions.finished(heard.key)
            return
        text = self.coming.begins(heard.key, heard.text)
        if text is None:
            await desk.questions.finished(heard.key)
            return
        board = self._board(heard)
        if begun is not None and isinstance(board, ChannelBoard):
            board.begun_by_another(begun)
        surface = BoardSurface(board, desk.ports.manners, alone=heard.how == "ephemeral")
        shown: Surface = surface
        if heard.how == "overheard":
            shown = OnlyWhenSure(surface)
        elif not heard.ticket.token:
            desk.begin(quietly(board.typing()), heard.ticket)
        elif heard.how == "menu" and begun is None:
            desk.begin(quietly(desk.say(heard.ticket, LOOKING_BELOW)), heard.ticket)
        person = f"{heard.ticket.guild}/{heard.ticket.user}"
        await desk.questions.ask(
            Asking(
                heard.key,
                person,
                heard.conversation,
                text,
                shown,
                partial(self._question, heard, surface),
            )
        )

    async def _why_not(self, heard: Heard) -> str | None:
        """Why a question is not answered, empty for in silence; None when it is."""
        if heard.how == "thread" and await self._is_between_others(heard):
            return ""
        is_visible = not heard.is_for_one and heard.how not in ("thread", "overheard")
        if is_visible and await self._desk.ports.manners.mode(heard.place) == "off":
            return "" if heard.how == "forum" else switched_off("/ask")
        return NO_TEXT if heard.how == "menu" and not (heard.text or heard.files) else None

    def _board(self, heard: Heard) -> Board:
        desk, ticket = self._desk, heard.ticket
        if heard.how == "ephemeral":
            return desk.private_board(ticket, heard.key)
        opens = heard.text or "Question" if heard.opens_thread else ""
        board = desk.channel_board(ticket, heard.key, heard.destination, heard.message, opens)
        if heard.how == "aloud" and ticket.token:
            return InteractionBoard(desk.rest, ticket, board, alone=False)
        return board

    async def _question(self, heard: Heard, surface: BoardSurface) -> Question:
        audience, ticket = self._desk.audience, heard.ticket
        asker = await self._desk.asker(ticket)
        if heard.is_for_one:
            place = audience.alone(ticket.guild, heard.parent)
        else:
            place = await audience.place(self._desk.guilds, ticket.guild, ticket.channel, heard.parent)
        downloads = await self._desk.files.download(heard.files)
        for line in downloads.unread:
            surface.note(line)
        history = await self._desk.ports.memory.history(heard.conversation)
        return Question(heard.key, heard.text, asker, place, history, downloads.attachments)

    async def _obeyed(self, heard: Heard) -> bool:
        """`@Lorebot quiet` and `@Lorebot wake` are for the thread or channel that they stand in."""
        try:
            command = parse(heard.text)
        except CommandError:
            return False
        if not isinstance(command, BeQuiet | Wake):
            return False
        asker, ticket = await self._desk.asker(heard.ticket), heard.ticket
        here = conversation(ticket.guild, ticket.channel)
        board = self._desk.channel_board(ticket, heard.key, ticket.channel, heard.message)
        async for event in self._desk.ports.administering.administer(command, asker, heard.place, here):
            if isinstance(event, Administered):
                await board.show(refused(event.text))
        return True

    async def _is_between_others(self, heard: Heard) -> bool:
        """Whether a message in a thread that calls nobody goes on with what another person said.

        It is for the bot when the last message before it that somebody else wrote is the bot's, or nobody
        else wrote and the bot is about to. When Discord does not show the thread, it is taken for a question:
        the bot takes part there.
        """
        channel = self._desk.rest.get_partial_messageable(int(heard.ticket.channel))
        before = discord.Object(int(heard.message))
        try:
            async for message in channel.history(before=before, limit=_LOOKED_BACK):
                if str(message.author.id) != heard.ticket.user:
                    return message.author.id != self._desk.bot.id
        except CALL_ERRORS:
            return False
        return not self._desk.questions.is_busy_with(heard.conversation)

    async def _is_quiet_above(self, heard: Heard) -> bool:
        """Whether it was told to be quiet in the channel of which this is a thread."""
        above = conversation(heard.ticket.guild, heard.parent)
        return above != heard.conversation and await self._desk.ports.manners.is_quiet(above)


def about_message(heard: Heard, message: discord.Message, bot: discord.abc.User) -> Heard:
    """A question about a message that somebody pointed at: its text and its files."""
    return replace(heard, text=spoken(message, bot), files=shared_files(message.attachments))


def _is_about(message: discord.Message, heard: Heard) -> bool:
    reference = message.reference.message_id if message.reference else None
    return reference == int(heard.message) or (reference is None and heard.opens_thread)
