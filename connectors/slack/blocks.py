"""Slack's blocks as plain JSON, and a message made of them.

https://docs.slack.dev/reference/block-kit
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.slack.safe_text import plain
from connectors.wording import cut

Json = dict[str, Any]

MOST_BLOCKS = 50
MOST_VIEW_BLOCKS = 100
# What markdown blocks of one message hold together; all texts of a message are kept within it, for Slack
# refuses what is much longer with `msg_blocks_too_long`.
MOST_CHARACTERS = 12_000
MOST_SECTION = 3_000
_FALLBACK = 3_000


@dataclass(frozen=True, slots=True)
class Message:
    """A message: `text` is what a notification and a screen reader say, `blocks` what is drawn."""

    text: str
    blocks: tuple[Json, ...]

    def content(self) -> Json:
        """What `chat.update` takes."""
        return {"text": cut(self.text, _FALLBACK), "blocks": list(self.blocks)}

    def arguments(self) -> Json:
        """What `chat.postMessage` and `chat.postEphemeral` take: no link is unfurled, nothing is parsed."""
        return {**self.content(), "unfurl_links": False, "unfurl_media": False, "parse": "none"}


def markdown_block(text: str) -> Json:
    """Markdown; allowed in messages only. `text` has been made safe, at most 12,000 characters."""
    return {"type": "markdown", "text": text}


def section(text: str, accessory: Mapping[str, Any] | None = None) -> Json:
    """A paragraph of mrkdwn, with a button beside it; `text` has been made safe."""
    block: Json = {"type": "section", "text": mrkdwn_text(text)}
    return block | ({"accessory": dict(accessory)} if accessory else {})


def context(*texts: str) -> Json:
    """Small print; each text is mrkdwn and has been made safe."""
    return {"type": "context", "elements": [mrkdwn_text(text) for text in texts[:10]]}


def header(text: str) -> Json:
    """A heading of at most 150 characters."""
    return {"type": "header", "text": plain_text(text, 150)}


def actions(*buttons: Mapping[str, Any]) -> Json:
    """A row of buttons."""
    return {"type": "actions", "elements": [dict(button) for button in buttons]}


def button(label: str, action: str, value: str, style: str | None = None) -> Json:
    """A button; the value, at most 2,000 characters, comes back when it is pressed."""
    made: Json = {"type": "button", "text": plain_text(label, 75), "action_id": action, "value": value[:2000]}
    return made | ({"style": style} if style else {})


def mrkdwn_text(text: str) -> Json:
    """A mrkdwn text in which nothing becomes a link that is not written as one."""
    return {"type": "mrkdwn", "text": cut(text, MOST_SECTION), "verbatim": True}


def plain_text(text: str, most: int = MOST_SECTION) -> Json:
    """A text without markup, made safe here."""
    return {"type": "plain_text", "text": plain(text, most) or "…", "emoji": True}


def divider() -> Json:
    """A line."""
    return {"type": "divider"}
