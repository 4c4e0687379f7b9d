"""Answers to what a person did with a command or a button, before that person's eyes alone.

https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
"""

from __future__ import annotations

from slack_sdk.webhook.async_client import AsyncWebhookClient

from connectors.slack.blocks import Message
from connectors.slack.desk import Desk
from connectors.slack.requests import Act
from connectors.slack.streaming import CALL_ERRORS
from connectors.slack.surface import Whisper

# How often Slack accepts an answer at a response_url, within 30 minutes.
_RESPONSES = 5


def responder(desk: Desk, act: Act) -> Whisper:
    """What shows one person messages: by the request's own URL while that lasts, else by its own call."""
    uses = 0

    async def whisper(message: Message) -> None:
        nonlocal uses
        uses += 1
        if act.response_url and uses <= _RESPONSES and await _responded(act.response_url, message):
            return
        await desk.whisper(act.ticket, message)

    return whisper


async def _responded(url: str, message: Message) -> bool:
    try:
        content = message.content()
        said = await AsyncWebhookClient(url).send(response_type="ephemeral", **content)
    except CALL_ERRORS:
        return False
    return said.status_code == 200
