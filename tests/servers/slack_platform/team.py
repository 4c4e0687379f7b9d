"""A workspace that the app is installed in, and the kinds of people in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
Kind = Literal["member", "admin", "owner", "guest", "single_channel_guest", "stranger", "bot", "deleted"]

BOT_SCOPES = frozenset(
    {
        *("app_mentions:read", "assistant:write", "chat:write", "commands", "files:read", "files:write"),
        *("channels:history", "channels:read", "groups:history", "groups:read", "im:history", "im:read"),
        *("im:write", "mpim:history", "mpim:read", "reactions:read", "reactions:write", "usergroups:read"),
        "users:read",
    }
)
FLAGS: dict[Kind, Json] = {
    "member": {},
    "admin": {"is_admin": True},
    "owner": {"is_admin": True, "is_owner": True},
    "guest": {"is_restricted": True},
    "single_channel_guest": {"is_restricted": True, "is_ultra_restricted": True},
    "stranger": {"is_stranger": True, "team_id": "T0OTHER"},
    "bot": {"is_bot": True},
    "deleted": {"deleted": True},
}


@dataclass(slots=True)
class Team:
    """A workspace that the app is installed in, with the bot's token and what it was granted."""

    id: str
    name: str
    token: str
    bot_user: str
    bot_id: str
    scopes: set[str] = field(default_factory=lambda: set(BOT_SCOPES))
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """One `assistant.threads.setStatus`: what it said, where, and when (monotonic)."""

    channel: str
    thread_ts: str
    text: str
    loading_messages: tuple[str, ...]
    at: float
