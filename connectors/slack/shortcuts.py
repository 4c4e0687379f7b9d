"""Listens to the message shortcut "Answer this"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from connectors.slack import names
from connectors.slack.answering import Answering, with_message
from connectors.slack.desk import Desk
from connectors.slack.notices import refused
from connectors.slack.requests import read_act
from connectors.slack.responding import responder
from connectors.wording import NO_TEXT

Json = Mapping[str, Any]


def register(app: AsyncApp, desk: Desk, answering: Answering) -> None:
    """Have the app answer a message that somebody points at; the answer goes into its thread."""

    async def answer_this(ack: AsyncAck, body: Json) -> None:
        act, message = read_act(body), body.get("message") or {}
        workspace = await desk.workspace(act.team, act.enterprise)
        pointed_at = act.question("shortcut", "", act.message_ts)
        heard = with_message(pointed_at, message, workspace)
        key = f"slack:action/{act.trigger}"
        if not (heard.text or heard.files) or message.get("user") == workspace.bot_user:
            await ack()
            desk.begin(responder(desk, act)(refused(NO_TEXT)), act.ticket)
        elif await desk.take(key, heard.as_payload()):
            await ack()
            answering.begin(heard, responder(desk, act), key)

    app.message_shortcut(names.ANSWER_THIS)(answer_this)
