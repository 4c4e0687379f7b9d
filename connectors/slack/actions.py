"""Listens to what can be pressed under an answer, and to the forms that open from there."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from dataclasses import asdict
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from connectors.ports import Judgement, Remembered
from connectors.recalling import FORGOTTEN, THANKS, expert_of, recall
from connectors.reporting import interrupted
from connectors.slack import names
from connectors.slack.answering import Answering
from connectors.slack.blocks import Message, section
from connectors.slack.buttons import read_feedback
from connectors.slack.desk import Desk
from connectors.slack.modals import judgement_modal, read_context, read_judgement
from connectors.slack.notices import called, refused, said, shared
from connectors.slack.passages_view import passages_view
from connectors.slack.requests import Act, read_act
from connectors.slack.responding import responder
from connectors.slack.safe_text import mrkdwn
from connectors.slack.workspace import may_write
from connectors.wording import ASK_PERSON, CALLED_ALREADY, SHARE, SHARED_ALREADY

Json = Mapping[str, Any]


def register(app: AsyncApp, desk: Desk, answering: Answering) -> None:
    """Have the app react to its buttons."""
    actions = Actions(desk, answering)
    app.action(names.FEEDBACK)(actions.judged)
    app.view(names.JUDGE)(actions.explained)
    app.action(names.SHOW_PASSAGES)(actions.passages)
    app.action(names.ASK_PERSON)(actions.person)
    app.action(names.SHARE)(actions.share)


NOT_IN_CHANNEL = "I am not in this channel: `/invite` me, then share the answer again."


class Actions:
    """The listeners. Each acknowledges at once, and does the work beside."""

    def __init__(self, desk: Desk, answering: Answering) -> None:
        self._desk = desk
        self._answering = answering

    async def judged(self, ack: AsyncAck, body: Json) -> None:
        """A thumb: kept; the one that points down also opens a form."""
        await ack()
        act, (answer_id, helpful) = read_act(body), read_feedback(_value(body))
        self._desk.begin(self._judge(act, answer_id, helpful), act.ticket)

    async def explained(self, ack: AsyncAck, body: Json) -> None:
        """The form behind the thumb that points down."""
        await ack()
        answer_id, judgement = read_judgement(body["view"])
        context = read_context(body["view"])
        act = read_act({**body, "channel_id": context.get("channel", "")})
        self._desk.begin(self._keep(act, answer_id, judgement), act.ticket)

    async def passages(self, ack: AsyncAck, body: Json) -> None:
        """What was read for an answer."""
        await ack()
        act = read_act(body)
        self._desk.begin(self._show_passages(act, _value(body)), act.ticket)

    async def person(self, ack: AsyncAck, body: Json) -> None:
        """Call the expert of the answer's source into the thread."""
        await ack()
        act, answer_id = read_act(body), _value(body)
        key = f"slack:action/{act.channel}/{act.message_ts}/{names.ASK_PERSON}"
        if await self._desk.take(key, interrupted(asdict(act.ticket), ASK_PERSON)):
            self._desk.begin(self._released_if_it_fails(key, self._call(act, answer_id, key)), act.ticket)
        else:
            self._desk.begin(responder(self._desk, act)(refused(CALLED_ALREADY)), act.ticket)

    async def share(self, ack: AsyncAck, body: Json) -> None:
        """Ask again for all who read the channel: they may be allowed less than the person who asked."""
        await ack()
        act, answer_id = read_act(body), _value(body)
        key = f"slack:action/{answer_id}/{names.SHARE}"
        if await self._desk.take(key, interrupted(asdict(act.ticket), SHARE)):
            self._desk.begin(self._released_if_it_fails(key, self._share(act, answer_id, key)), act.ticket)
        else:
            self._desk.begin(responder(self._desk, act)(refused(SHARED_ALREADY)), act.ticket)

    async def _released_if_it_fails(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        """The button can then be pressed again."""
        try:
            await work
        except Exception:
            await self._desk.questions.released(key)
            raise

    async def _judge(self, act: Act, answer_id: str, helpful: bool) -> None:
        await self._desk.ports.memory.judge(answer_id, f"slack:{act.user}", Judgement(helpful))
        if not helpful:
            workspace = await self._desk.workspace(act.team, act.enterprise)
            await workspace.client.views_open(
                trigger_id=act.trigger, view=judgement_modal(answer_id, {"channel": act.channel})
            )

    async def _keep(self, act: Act, answer_id: str, judgement: Judgement) -> None:
        await self._desk.ports.memory.judge(answer_id, f"slack:{act.user}", judgement)
        if act.channel:
            await self._desk.whisper(act.ticket, said(THANKS))

    async def _show_passages(self, act: Act, answer_id: str) -> None:
        remembered = await self._recall(act, answer_id)
        if remembered is None:
            await self._desk.whisper(act.ticket, refused(FORGOTTEN))
            return
        workspace = await self._desk.workspace(act.team, act.enterprise)
        await workspace.client.views_open(trigger_id=act.trigger, view=passages_view(remembered.answer))

    async def _call(self, act: Act, answer_id: str, key: str) -> None:
        remembered = await self._recall(act, answer_id)
        expert = expert_of(self._desk.ports.manners, remembered.answer.citations) if remembered else None
        if remembered is None or expert is None:
            await self._desk.whisper(act.ticket, refused(FORGOTTEN))
        else:
            workspace = await self._desk.workspace(act.team, act.enterprise)
            call = called(expert, f"user:{act.user}", remembered.answer)
            if call is None:
                raise ValueError(f"{expert} is no person or group of Slack")
            await workspace.client.chat_postMessage(
                channel=act.channel, thread_ts=act.thread or act.message_ts, **call.arguments()
            )
        await self._desk.questions.finished(key)

    async def _share(self, act: Act, answer_id: str, key: str) -> None:
        remembered = await self._recall(act, answer_id)
        if remembered is None:
            await self._desk.whisper(act.ticket, refused(FORGOTTEN))
            await self._desk.questions.finished(key)
            return
        workspace = await self._desk.workspace(act.team, act.enterprise)
        if not await may_write(workspace, act.channel):
            await responder(self._desk, act)(refused(NOT_IN_CHANNEL))
            await self._desk.questions.released(key)
            return
        root = asked_aloud(act.user, remembered.answer.question)
        posted = await workspace.client.chat_postMessage(channel=act.channel, **root.arguments())
        heard = act.question("shared", remembered.answer.question, str(posted["ts"]))
        self._answering.begin(heard, key=key)

    async def _recall(self, act: Act, answer_id: str) -> Remembered | None:
        """An answer, for those who can see it."""
        return await recall(self._desk.ports.memory, answer_id, act.team, act.channel, f"slack:{act.user}")


def asked_aloud(user: str, question: str) -> Message:
    """The message over an answer to a question that was not written in the channel."""
    quoted = "\n".join(f"> {mrkdwn(line)}" for line in question.splitlines())
    return Message(quoted, (section(shared(f"user:{user}")), section(quoted)))


def _value(body: Json) -> str:
    return str(body["actions"][0].get("value") or "")
