"""Listens to messages, mentions and reactions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.request.async_request import AsyncBoltRequest

from connectors.slack.answering import Answering
from connectors.slack.heard import Deleted, Edited, Heard, is_external, read_event
from connectors.slack.people import People

Json = Mapping[str, Any]

_RETRIES = 3
_ANYTHING = re.compile(".*", re.DOTALL)


def register(app: AsyncApp, answering: Answering, people: People, reaction: str) -> None:
    """Have the app answer what it hears; `reaction` is the emoji that asks for an answer, empty for none.

    A listener takes what is to be done into the inbox; Slack is told that it arrived when the listener has
    returned, and delivers it again if that fails. When it fails for the last time, the person is told.
    """

    async def message(body: Json, context: Mapping[str, Any], request: AsyncBoltRequest) -> None:
        heard = read_event(body, str(context["team_id"]), str(context["bot_user_id"]))
        if isinstance(heard, Edited):
            answering.coming.edited(heard.key, heard.text)
        elif isinstance(heard, Deleted):
            answering.coming.deleted(heard.key)
        elif heard is not None:
            await receive(heard, request)

    async def receive(heard: Heard, request: AsyncBoltRequest) -> None:
        try:
            await answering.receive(heard)
        except Exception as error:
            if is_last_attempt(request):
                answering.give_up(heard, error)
            raise

    async def reacted(body: Json, context: Mapping[str, Any], request: AsyncBoltRequest) -> None:
        event = body["event"]
        item = event.get("item") or {}
        is_meant = reaction and str(event.get("reaction", "")).partition("::")[0] == reaction
        if is_meant and item.get("type") == "message" and event.get("item_user") != context["bot_user_id"]:
            await receive(_of_reaction(body, item, str(context["team_id"]), context), request)

    async def members_changed(body: Json, context: Mapping[str, Any]) -> None:
        people.changed(str(context["team_id"]), str(body["event"].get("channel") or ""))

    app.event("app_mention")(message)
    app.event("message")(message)
    app.event("reaction_added")(reacted)
    for name in ("member_joined_channel", "channel_shared", "channel_unshared"):
        app.event(name)(members_changed)


def register_the_rest(app: AsyncApp) -> None:
    """Acknowledge what nobody listens to, which Slack would else deliver again. To be registered last."""

    async def nothing_to_do(ack: AsyncAck) -> None:
        await ack()

    app.event(_ANYTHING)(nothing_to_do)
    app.action(_ANYTHING)(nothing_to_do)


def is_last_attempt(request: AsyncBoltRequest) -> bool:
    """Whether Slack does not deliver an event again.

    https://docs.slack.dev/apis/events-api/#retries
    """
    attempt = next(iter(request.headers.get("x-slack-retry-num") or ()), "0")
    return attempt.isdecimal() and int(attempt) >= _RETRIES


def _of_reaction(body: Json, item: Json, team: str, context: Mapping[str, Any]) -> Heard:
    channel, ts, event = str(item["channel"]), str(item["ts"]), body["event"]
    return Heard(
        how="reaction",
        team=team,
        enterprise=context.get("enterprise_id"),
        channel=channel,
        ts=ts,
        thread=ts,
        is_in_thread=False,
        user=str(event["user"]),
        home_team=event.get("user_team"),
        text="",
        is_direct=channel.startswith("D"),
        is_external=is_external(body),
    )
