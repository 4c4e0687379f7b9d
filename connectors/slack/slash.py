"""Listens to `/lorebot`: a question for one person's eyes, and what admins do."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from connectors.commands import Ask, Command, confirmation, written
from connectors.conversation import Progress
from connectors.grammar import CommandError, parse, read_written
from connectors.ports import Administered
from connectors.reporting import ENDED, carry_out, interrupted
from connectors.slack import names
from connectors.slack.answering import Answering
from connectors.slack.blocks import Message
from connectors.slack.complaints import explain
from connectors.slack.desk import Desk
from connectors.slack.modals import confirmation_modal, read_context
from connectors.slack.notices import not_yours_to_cancel, refused
from connectors.slack.progress_view import admin_progress, admin_result
from connectors.slack.requests import Act, read_act
from connectors.slack.responding import responder
from connectors.slack.streaming import CALL_ERRORS
from connectors.slack.surface import Whisper
from connectors.slack.workspace import Workspace
from connectors.slack.written import plain_text

LOOKING = "Having a look. The answer comes here, for your eyes alone."

Json = Mapping[str, Any]


def register(app: AsyncApp, desk: Desk, answering: Answering, command: str) -> None:
    """Have the app obey its slash command."""
    slash = Slash(desk, answering)
    app.command(command)(slash.received)
    app.view(names.CONFIRM)(slash.confirmed)
    app.action(names.CANCEL)(slash.cancelled)


class Slash:
    """The listeners of the slash command, of its confirmation, and of the button that cancels it."""

    def __init__(self, desk: Desk, answering: Answering) -> None:
        self._desk = desk
        self._answering = answering

    async def received(self, ack: AsyncAck, body: Json) -> None:
        """Take a command, and do it beside the acknowledgement."""
        act, text = read_act(body), str(body.get("text") or "")
        key = f"slack:command/{act.trigger}"
        try:
            command = parse(text)
        except CommandError as error:
            await ack(text=refused(str(error)).text)
            return
        if not isinstance(command, Ask):
            await ack()
            if await self._desk.take(key, interrupted(asdict(act.ticket), command)):
                work = self._finishing(key, self._administer(command, act, key))
                self._desk.background.begin_run(key, act.user, work, partial(self._desk.say, act.ticket))
            return
        heard = act.question("ephemeral", plain_text(command.question), key)
        if await self._desk.take(key, heard.as_payload()):
            await ack(text=LOOKING)
            self._answering.begin(heard, responder(self._desk, act), key)

    async def confirmed(self, ack: AsyncAck, body: Json) -> None:
        """Do what was confirmed in the form."""
        await ack()
        context = read_context(body["view"])
        act, key = read_act({**body, "channel_id": context.get("channel", "")}), context.get("key", "")
        command, confirmed = read_written(context["command"]), f"{key}/confirmed"
        if await self._desk.take(confirmed, interrupted(asdict(act.ticket), command)):
            work = self._finishing(confirmed, self._obey(command, act, key))
            self._desk.background.begin_run(key, act.user, work, partial(self._desk.say, act.ticket))

    async def cancelled(self, ack: AsyncAck, body: Json) -> None:
        """Cancel a command that runs; whoever gave it may, and admins."""
        await ack()
        act, run = read_act(body), str(body["actions"][0].get("value") or "")
        self._desk.begin(self._cancel(act, run), act.ticket)

    async def _cancel(self, act: Act, run: str) -> None:
        starter = self._desk.background.run_of(run)
        if starter is None:
            await self._desk.whisper(act.ticket, refused(ENDED))
            return
        workspace = await self._desk.workspace(act.team, act.enterprise)
        asker = await self._desk.audience.asker(workspace, act.user, act.home_team)
        if act.user == starter or self._desk.ports.administering.is_admin(asker):
            self._desk.background.cancel_run(run)
        else:
            await self._desk.whisper(act.ticket, not_yours_to_cancel(starter))

    async def _administer(self, command: Command, act: Act, key: str) -> None:
        asked = confirmation(command)
        if asked is not None and await self._may(act):
            workspace = await self._desk.workspace(act.team, act.enterprise)
            context = {"command": written(command), "channel": act.channel, "key": key}
            await workspace.client.views_open(trigger_id=act.trigger, view=confirmation_modal(asked, context))
            return
        await self._obey(command, act, key)

    async def _may(self, act: Act) -> bool:
        workspace = await self._desk.workspace(act.team, act.enterprise)
        asker = await self._desk.audience.asker(workspace, act.user, act.home_team)
        return self._desk.ports.administering.is_admin(asker)

    async def _obey(self, command: Command, act: Act, key: str) -> None:
        workspace = await self._desk.workspace(act.team, act.enterprise)
        asker = await self._desk.audience.asker(workspace, act.user, act.home_team)
        place = self._desk.audience.alone(workspace, act.channel)
        conversation = f"slack:{act.team}/{act.channel}"
        report = DirectReport(self._desk, workspace, act, key, responder(self._desk, act))
        try:
            await carry_out(self._desk.ports.administering, command, asker, place, conversation, report)
        except asyncio.CancelledError:
            # The person was told; else the next process says that this one was cut off.
            if not report.has_begun:
                raise

    async def _finishing(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            await self._desk.questions.finished(key)
            raise
        await self._desk.questions.finished(key)


class DirectReport:
    """What a command says: at once if it is quick, else edited in place in the person's direct messages."""

    def __init__(self, desk: Desk, workspace: Workspace, act: Act, run: str, whisper: Whisper) -> None:
        self._desk = desk
        self._workspace = workspace
        self._act = act
        self._run = run
        self._whisper = whisper
        self._message: tuple[str, str] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the person sees progress."""
        return self._message is not None

    async def begin(self, progress: Progress) -> None:
        """Show progress in a message of its own; the command does not depend on that."""
        client = self._workspace.client
        try:
            self._message = await self._desk.tell_alone(
                client, self._act.user, admin_progress(progress, self._run)
            )
            if self._act.channel != self._message[0]:
                await self._whisper(refused("On it: you see how far it is in our direct messages."))
        except CALL_ERRORS as error:
            self._desk.log.warning("progress not shown", run=self._run, error=explain(error))

    async def edit(self, progress: Progress) -> None:
        """Show further progress there."""
        with suppress(*CALL_ERRORS):
            await self._edit(admin_progress(progress, self._run))

    async def end(self, result: Administered) -> None:
        """Show the end."""
        first, *others = admin_result(result)
        if self._message is None or not await self._is_edited(first):
            for message in (first, *others):
                await self._whisper(message)
            return
        for message in others:
            await self._workspace.client.chat_postMessage(channel=self._message[0], **message.arguments())

    async def break_off(self, line: str) -> None:
        """Say it where progress was shown."""
        if self._message is not None:
            await self._edit(refused(line))

    async def _is_edited(self, message: Message) -> bool:
        try:
            await self._edit(message)
        except CALL_ERRORS:
            return False
        return True

    async def _edit(self, message: Message) -> None:
        if self._message is not None:
            channel, ts = self._message
            await self._workspace.client.chat_update(channel=channel, ts=ts, **message.content())
