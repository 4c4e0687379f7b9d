"""Listens to the App Home and the agent view being opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from connectors.commands import Ask
from connectors.ports import Welcome
from connectors.reporting import interrupted
from connectors.slack import names
from connectors.slack.actions import asked_aloud
from connectors.slack.answering import Answering
from connectors.slack.desk import Desk, Ticket
from connectors.slack.home import home_view
from connectors.slack.requests import Act, read_act
from connectors.slack.safe_text import plain

# https://docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts
_MOST_PROMPTS = 4
_TITLE = 75

Json = Mapping[str, Any]


def register(app: AsyncApp, desk: Desk, answering: Answering) -> None:
    """Have the app show what it knows, and suggest questions that the index answers."""
    page = HomePage(desk, answering)
    app.event("app_home_opened")(page.opened)
    app.event("assistant_thread_started")(page.thread_started)
    app.action(re.compile(f"^{names.SUGGESTION}"))(page.suggestion)


class HomePage:
    """The listeners."""

    def __init__(self, desk: Desk, answering: Answering) -> None:
        self._desk = desk
        self._answering = answering

    async def opened(self, body: Json, context: Mapping[str, Any]) -> None:
        """The home tab is drawn; beside the messages tab, questions are suggested."""
        event = body["event"]
        ticket = _ticket(context, str(event["user"]), str(event.get("channel") or ""))
        if event.get("tab") == "messages":
            self._desk.begin(self._suggest(ticket), ticket)
        else:
            self._desk.begin(self._draw(ticket), ticket)

    async def thread_started(self, body: Json, context: Mapping[str, Any]) -> None:
        """A new conversation in the agent view of older installations."""
        thread = body["event"].get("assistant_thread") or {}
        ticket = _ticket(
            context, str(thread.get("user_id")), str(thread.get("channel_id")), thread.get("thread_ts")
        )
        self._desk.begin(self._suggest(ticket), ticket)

    async def suggestion(self, ack: AsyncAck, body: Json) -> None:
        """A suggested question was pressed: it is asked in the direct messages."""
        await ack()
        act, question = read_act(body), str(body["actions"][0].get("value") or "")
        key = f"slack:action/{act.trigger}"
        if await self._desk.take(key, interrupted(asdict(act.ticket), Ask(question))):
            self._desk.begin(self._ask(act, question, key), act.ticket, key)

    async def _draw(self, ticket: Ticket) -> None:
        workspace = await self._desk.workspace(ticket.team, ticket.enterprise)
        view = home_view(await self._welcome(ticket), datetime.now(UTC))
        await workspace.client.views_publish(user_id=ticket.user, view=view)

    async def _suggest(self, ticket: Ticket) -> None:
        suggestions = (await self._welcome(ticket)).suggestions[:_MOST_PROMPTS]
        if not suggestions:
            return
        workspace = await self._desk.workspace(ticket.team, ticket.enterprise)
        await workspace.client.assistant_threads_setSuggestedPrompts(
            channel_id=ticket.channel,
            thread_ts=ticket.thread,
            prompts=[{"title": plain(question, _TITLE), "message": question} for question in suggestions],
        )

    async def _welcome(self, ticket: Ticket) -> Welcome:
        workspace = await self._desk.workspace(ticket.team, ticket.enterprise)
        asker = await self._desk.audience.asker(workspace, ticket.user)
        place = self._desk.audience.alone(workspace, ticket.channel or ticket.user)
        return await self._desk.ports.welcoming.welcome(asker, place)

    async def _ask(self, act: Act, question: str, key: str) -> None:
        workspace = await self._desk.workspace(act.team, act.enterprise)
        root = asked_aloud(act.user, question)
        channel, ts = await self._desk.tell_alone(workspace.client, act.user, root)
        heard = act.question("direct", question, ts, channel)
        self._answering.begin(heard, key=key)


def _ticket(context: Mapping[str, Any], user: str, channel: str, thread: str | None = None) -> Ticket:
    return Ticket(str(context["team_id"]), context.get("enterprise_id"), channel, user, thread)
