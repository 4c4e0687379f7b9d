"""What stands in a thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError

from connectors.slack.complaints import error_code
from connectors.slack.heard import Heard
from connectors.slack.streaming import CALL_ERRORS
from connectors.slack.workspace import Workspace

_GONE = frozenset({"thread_not_found", "message_not_found"})
_PAGE = 200
_PAGES = 5

Json = Mapping[str, Any]


async def message_at(workspace: Workspace, channel: str, ts: str) -> Json | None:
    """One message, a reply or not; None when it is not there. Raises what Slack raises."""
    try:
        said = await workspace.client.conversations_replies(channel=channel, ts=ts, limit=1, inclusive=True)
    except SlackApiError as error:
        if error_code(error) in _GONE:
            return None
        raise
    return next((message for message in said["messages"] if message.get("ts") == ts), None)


async def thread_of(workspace: Workspace, heard: Heard) -> str:
    """The root of the thread in which a message stands, which a reaction does not tell."""
    message = await message_at(workspace, heard.channel, heard.ts) if heard.how == "reaction" else None
    return str((message or {}).get("thread_ts") or heard.thread)


async def replies_after(workspace: Workspace, channel: str, thread: str, ts: str) -> tuple[Json, ...]:
    """The messages of a thread from `ts` on, oldest first, within bounds; none when it is deleted.

    Raises what Slack raises.
    """
    try:
        found = await _replies(workspace, channel, thread, oldest=ts)
    except SlackApiError as error:
        if error_code(error) in _GONE:
            return ()
        raise
    return tuple(message for message in found if float(message.get("ts") or 0) >= float(ts))


async def is_between_others(workspace: Workspace, heard: Heard) -> bool:
    """Whether a message in a thread that calls nobody goes on with what another person said.

    It is for the bot when the last message before it that somebody else wrote is the bot's. When Slack does
    not show the thread, it is taken for a question: the bot takes part there.
    """
    try:
        messages = await _replies(workspace, heard.channel, heard.thread, latest=heard.ts)
    except CALL_ERRORS:
        return False
    others = [
        message for message in messages if message.get("ts") != heard.ts and message.get("user") != heard.user
    ]
    return bool(others) and not _is_own(others[-1], workspace)


def _is_own(message: Json, workspace: Workspace) -> bool:
    return message.get("user") == workspace.bot_user or (
        bool(workspace.bot_id) and message.get("bot_id") == workspace.bot_id
    )


async def _replies(
    workspace: Workspace, channel: str, thread: str, oldest: str | None = None, latest: str | None = None
) -> tuple[Json, ...]:
    found: list[Json] = []
    cursor: str | None = None
    for _ in range(_PAGES):
        said = await workspace.client.conversations_replies(
            channel=channel,
            ts=thread,
            limit=_PAGE,
            inclusive=True,
            oldest=oldest,
            latest=latest,
            cursor=cursor,
        )
        found += said["messages"]
        cursor = (said.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            break
    return tuple(sorted(found, key=lambda message: float(message.get("ts") or 0)))
