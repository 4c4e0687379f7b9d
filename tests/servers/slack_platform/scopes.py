"""The scopes that each method needs (https://docs.slack.dev/reference/scopes)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCOPES = {
    **{"chat.getPermalink": None, "chat.": "chat:write", "reactions.get": "reactions:read"},
    **{"reactions.": "reactions:write", "users.": "users:read", "bots.": "users:read"},
    **{"usergroups.": "usergroups:read", "files.info": "files:read", "files.": "files:write"},
    **{"assistant.": "assistant:write", "conversations.open": "im:write"},
}


def scopes_of(method: str, channel: Mapping[str, Any] | None, types: str = "") -> list[str]:
    """The scopes that a call needs, by its method and the kind of conversation."""
    if method in (
        "conversations.history",
        "conversations.replies",
        "conversations.info",
        "conversations.members",
    ):
        return [f"{_kind(channel or {})}:{'history' if method.endswith(('history', 'replies')) else 'read'}"]
    if method == "conversations.list":
        kinds = {"im": "im", "mpim": "mpim", "private_channel": "groups"}
        return [f"{kinds.get(kind, 'channels')}:read" for kind in types.split(",")]
    found = next((scope for prefix, scope in SCOPES.items() if method.startswith(prefix)), None)
    return [found] if found else []


def _kind(channel: Mapping[str, Any]) -> str:
    if channel.get("is_im"):
        return "im"
    if channel.get("is_mpim"):
        return "mpim"
    return "groups" if channel.get("is_private") else "channels"
