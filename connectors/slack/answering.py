"""A question from Slack, from what was heard to its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from weakref import WeakSet

from connectors.asking import Asking, OnlyWhenSure
from connectors.attention import Attention
from connectors.coming import Coming
from connectors.commands import BeQuiet, Wake
from connectors.conversation import Place, Question
from connectors.grammar import CommandError, parse
from connectors.ports import Administered, Delivery
from connectors.reporting import restarted_line
from connectors.slack.desk import Desk, Ticket
from connectors.slack.heard import Heard, shared_files
from connectors.slack.marks import is_answer_to
from connectors.slack.notices import refused
from connectors.slack.streaming import GrowingMessage, Thread, remove_unfinished
from connectors.slack.surface import EphemeralSurface, ThreadSurface, Whisper
from connectors.slack.threads import is_between_others, message_at, replies_after, thread_of
from connectors.slack.workspace import Workspace, may_write
from connectors.slack.written import mentioned, plain_text
from connectors.wording import NO_TEXT, switched_off

NOT_IN_CHANNEL = "I am not in this channel: the answer comes here, for your eyes alone. `/invite` me for all."


class Answering:
    """Decides what is a question to the bot, and has it answered."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._attention = Attention(desk.ports, desk.questions)
        self.coming = Coming(desk.questions)
        self._growing: WeakSet[GrowingMessage] = WeakSet()

    async def receive(self, heard: Heard) -> None:
        """Take a question and begin to answer it. Raises what keeps it from being taken."""
        if await self._attention.is_asked(heard, _place(heard)) and await self._desk.take(
            heard.key, heard.as_payload()
        ):
            self.begin(heard)

    def give_up(self, heard: Heard, error: Exception) -> None:
        """Tell a person who asked the bot that the question cannot be taken."""

        async def fail() -> None:
            raise error

        if heard.how not in ("thread", "overheard"):
            self._desk.begin(fail(), ticket_of(heard))

    async def take_up(self) -> None:
        """Answer what processes left that have died."""
        await self._desk.background.begin_again(self._desk.ports.inbox, self._begin_again)

    def begin(self, heard: Heard, whisper: Whisper | None = None, key: str | None = None) -> None:
        """Answer a question that was taken under `key`; `whisper` shows what one person alone is to see."""
        key = key or heard.key
        work = self.coming.awaiting(heard.key, partial(self._answer, heard, key, whisper))
        self._desk.begin(work, ticket_of(heard), key)

    def _begin_again(self, delivery: Delivery) -> bool:
        """Whether something is to be done."""
        if "how" in delivery.payload:
            heard = Heard.from_payload(delivery.payload)
            work = self.coming.awaiting(heard.key, partial(self._take_up, heard, delivery.key))
            self._desk.begin(work, ticket_of(heard), delivery.key)
        elif "command" in delivery.payload:
            ticket = Ticket(**delivery.payload["ticket"])
            line = restarted_line(delivery.payload["command"])
            self._desk.begin(self._say_cut_off(ticket, line, delivery.key), ticket, delivery.key)
        else:
            return False
        return True

    async def _say_cut_off(self, ticket: Ticket, line: str, key: str) -> None:
        await self._desk.whisper(ticket, refused(line))
        await self._desk.questions.released(key)

    async def _take_up(self, heard: Heard, key: str) -> None:
        workspace = await self._desk.workspace(heard.team, heard.enterprise)
        if heard.how != "ephemeral":
            thread = await thread_of(workspace, heard)
            replies = await replies_after(workspace, heard.channel, thread, heard.ts)
            if any(is_answer_to(reply, key) for reply in replies):
                await self._desk.questions.finished(key)
                return
            own = [reply for reply in replies if reply.get("user") == workspace.bot_user]
            await remove_unfinished(workspace.client, heard.channel, own)
            self._catch_up(heard, replies, workspace)
        await self._answer(heard, key, None)

    def _catch_up(self, heard: Heard, messages: Sequence[Mapping[str, Any]], workspace: Workspace) -> None:
        """What became of a message while nobody listened."""
        message = next((one for one in messages if one.get("ts") == heard.ts), None)
        if message is None or message.get("subtype") == "tombstone":
            self.coming.deleted(heard.key)
        elif "edited" in message and message.get("user") == heard.user:
            self.coming.edited(heard.key, plain_text(str(message.get("text") or ""), {workspace.bot_user}))

    async def _answer(self, heard: Heard, key: str, whisper: Whisper | None) -> None:
        workspace = await self._desk.workspace(heard.team, heard.enterprise)
        ticket = ticket_of(heard)
        found = await self._made_out(heard, workspace)
        if found is None:
            # Should somebody point at it later, it is answered.
            await self._desk.questions.released(key)
            return
        if isinstance(found, str):
            await self._desk.whisper(ticket, refused(found))
            await self._desk.questions.finished(key)
            return
        if found.how == "mention" and await self._obeyed(found, workspace):
            await self._desk.questions.finished(key)
            return
        whisper = whisper or partial(self._desk.whisper, ticket)
        if found.how != heard.how:
            await whisper(refused(NOT_IN_CHANNEL))
        surface = self._surface(found, key, workspace, whisper)
        unasked = OnlyWhenSure(surface) if found.how == "overheard" else None
        text = self.coming.begins(heard.key, found.text)
        if text is None:
            await self._desk.questions.finished(key)
            return
        await self._desk.questions.ask(
            Asking(
                key,
                f"{found.team}/{found.user}",
                found.conversation,
                text,
                unasked or surface,
                partial(self._question, found, workspace, surface),
            )
        )
        if unasked is not None and not unasked.was_sure:
            await self._desk.questions.released(key)

    async def _made_out(self, heard: Heard, workspace: Workspace) -> Heard | str | None:
        """The question with what only Slack knows of it; why it is not answered; None to leave it alone."""
        if heard.how == "thread" and await is_between_others(workspace, heard):
            return None
        is_visible = heard.how in ("mention", "reaction", "shortcut", "shared")
        if is_visible and await self._desk.ports.manners.mode(_place(heard)) == "off":
            return switched_off("/lorebot ask")
        if heard.how == "shortcut" and not await may_write(workspace, heard.channel):
            return replace(heard, how="ephemeral")
        if heard.how != "reaction":
            return heard
        message = await message_at(workspace, heard.channel, heard.ts)
        if message is None or message.get("user") == workspace.bot_user or message.get("bot_id"):
            return NO_TEXT
        return with_message(heard, message, workspace)

    def _surface(
        self, heard: Heard, key: str, workspace: Workspace, whisper: Whisper
    ) -> ThreadSurface | EphemeralSurface:
        if heard.how == "ephemeral":
            return EphemeralSurface(whisper)
        message = GrowingMessage(workspace.client, _thread(heard, workspace), self._growing)
        self._growing.add(message)
        return ThreadSurface(message, key, self._desk.ports.manners, whisper)

    async def _question(
        self, heard: Heard, workspace: Workspace, surface: ThreadSurface | EphemeralSurface
    ) -> Question:
        audience = self._desk.audience
        asker = await audience.asker(workspace, heard.user, heard.home_team)
        if heard.is_direct or heard.how == "ephemeral":
            place = audience.alone(workspace, heard.channel)
        else:
            place = await audience.place(workspace, heard.channel, heard.is_external)
        downloads = await self._desk.files.download(workspace, heard.files)
        if isinstance(surface, ThreadSurface):
            for line in downloads.unread:
                surface.note(line)
        history = await self._desk.ports.memory.history(heard.conversation)
        return Question(heard.key, heard.text, asker, place, history, downloads.attachments)

    async def _obeyed(self, heard: Heard, workspace: Workspace) -> bool:
        """`@Lorebot quiet` and `@Lorebot wake` are for the thread that they stand in."""
        try:
            command = parse(heard.text)
        except CommandError:
            return False
        if not isinstance(command, BeQuiet | Wake):
            return False
        asker = await self._desk.audience.asker(workspace, heard.user, heard.home_team)
        thread = _thread(heard, workspace)
        administering = self._desk.ports.administering
        async for event in administering.administer(command, asker, _place(heard), heard.conversation):
            if isinstance(event, Administered):
                await GrowingMessage(workspace.client, thread).post(refused(event.text).content())
        return True


def ticket_of(heard: Heard) -> Ticket:
    """The person who asked."""
    thread = heard.thread if heard.is_in_thread else None
    return Ticket(heard.team, heard.enterprise, heard.channel, heard.user, thread)


def with_message(heard: Heard, message: Mapping[str, Any], workspace: Workspace) -> Heard:
    """A question about a message that somebody pointed at: its text, its files and its thread."""
    text = str(message.get("text") or "")
    thread = str(message.get("thread_ts") or heard.ts)
    return replace(
        heard,
        text=plain_text(text, {workspace.bot_user}),
        calls=tuple(mentioned(text)),
        thread=thread,
        is_in_thread=thread != heard.ts,
        files=shared_files(message),
    )


def _thread(heard: Heard, workspace: Workspace) -> Thread:
    home_team = heard.home_team or heard.team
    return Thread(heard.channel, heard.thread, heard.user, home_team, workspace.bot_user)


def _place(heard: Heard) -> Place:
    return Place("slack", heard.channel, frozenset(), heard.team)
