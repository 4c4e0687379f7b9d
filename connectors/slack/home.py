"""The App Home: what the bot knows, what can be asked, who speaks; for admins, what failed.

https://docs.slack.dev/surfaces/app-home
"""

from __future__ import annotations

from datetime import datetime

from connectors.freshness import age
from connectors.ports import KnownSource, Welcome
from connectors.slack import names
from connectors.slack.blocks import (
    MOST_VIEW_BLOCKS,
    Json,
    actions,
    button,
    context,
    divider,
    header,
    section,
)
from connectors.slack.safe_text import mrkdwn, plain
from connectors.wording import counted

_SUGGESTIONS = 5
_SOURCES = 30
_FAILURES = 20


def home_view(welcome: Welcome, now: datetime) -> Json:
    """The view for `views.publish`."""
    blocks = [
        header("Ask me about your team's documents"),
        section(
            "Mention me in a channel, write to me here under *Messages*, or use `/lorebot ask`. "
            "Every answer names its sources; what they do not hold, I do not say."
        ),
        *_suggested(welcome),
        divider(),
        header("What I know"),
        *_known(welcome, now),
        context(f"Voice in use: {mrkdwn(welcome.voice)}"),
        *_failed(welcome),
    ]
    return {"type": "home", "blocks": blocks[:MOST_VIEW_BLOCKS]}


def _suggested(welcome: Welcome) -> list[Json]:
    questions = [question for question in welcome.suggestions if question.strip()][:_SUGGESTIONS]
    if not questions:
        return []
    pressed = [button(text, f"{names.SUGGESTION}_{place}", text) for place, text in enumerate(questions)]
    return [section("*Try one of these:*"), actions(*pressed)]


def _known(welcome: Welcome, now: datetime) -> list[Json]:
    if not welcome.sources:
        return [section("Nothing yet that you may read. An admin adds sources and runs `/lorebot reindex`.")]
    documents = sum(source.documents for source in welcome.sources)
    held = (
        f"{counted(welcome.passages, 'passage')} of {counted(documents, 'document')} "
        f"from {counted(len(welcome.sources), 'source')}"
    )
    lines = [section(_line(source, now)) for source in welcome.sources[:_SOURCES]]
    more = len(welcome.sources) - _SOURCES
    return [context(held), *lines, *([context(f"… and {more} more")] if more > 0 else [])]


def _line(source: KnownSource, now: datetime) -> str:
    synced = "not read yet" if source.last_sync is None else f"read {age(source.last_sync, now)}"
    parts = (f"*{mrkdwn(plain(source.name, 100))}*", counted(source.documents, "document"), synced)
    return "  ·  ".join(filter(None, (*parts, mrkdwn(plain(source.health, 300)))))


def _failed(welcome: Welcome) -> list[Json]:
    """For admins alone: None is somebody else, no lines is good news."""
    if welcome.failures is None:
        return []
    lines = [f"• {mrkdwn(plain(line, 300))}" for line in welcome.failures[:_FAILURES]]
    shown = [section(line) for line in lines] or [section("Nothing failed in the last syncs.")]
    return [divider(), header("For admins"), *shown, context("`/lorebot status` tells more.")]
