"""The app's manifest, ready to paste into Slack, and what each permission is for.

https://docs.slack.dev/reference/app-manifest and, for the agent view,
https://docs.slack.dev/ai/developing-agents
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from connectors.slack.blocks import Json
from connectors.slack.names import ANSWER_THIS

# Where the app listens when Slack calls it over HTTP; Bolt's own paths.
EVENTS_PATH = "/slack/events"
INSTALL_PATH = "/slack/install"
REDIRECT_PATH = "/slack/oauth_redirect"

SCOPES: Mapping[str, str] = {
    "app_mentions:read": "see where the bot is mentioned",
    "assistant:write": "show the status while it works, and suggested questions in the agent view",
    "channels:history": "read the thread that it is asked in, in public channels",
    "channels:read": "see who reads a public channel, and whether it is shared with another company",
    "chat:write": "answer",
    "commands": "offer /lorebot and the shortcut “Answer this”",
    "files:read": "read the files that come with a question",
    "groups:history": "read the thread that it is asked in, in private channels",
    "groups:read": "see who reads a private channel",
    "im:history": "read direct messages to the bot",
    "im:read": "tell a direct message from a channel",
    "im:write": "open a direct message to answer privately",
    "mpim:history": "read the thread that it is asked in, in group messages",
    "mpim:read": "see who reads a group message",
    "reactions:read": "answer a message that gets the question reaction",
    "usergroups:read": "open documents to the user groups that may read them",
    "users:read": "tell members from guests and strangers, and know the workspace's admins",
}
# `app_context_changed` comes with the agent view; it must be subscribed to, and may be ignored. Who joins a
# channel, and with whom it is shared, changes what may be said there.
EVENTS: tuple[str, ...] = (
    "app_context_changed",
    "app_home_opened",
    "app_mention",
    "app_uninstalled",
    "channel_shared",
    "channel_unshared",
    "member_joined_channel",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "reaction_added",
    "tokens_revoked",
)
# What the app-level token of Socket Mode needs; it is made by hand, no manifest holds it.
SOCKET_SCOPE = "connections:write"


def manifest(name: str = "Lorebot", command: str = "/lorebot", public_url: str | None = None) -> Json:
    """The manifest for Socket Mode, or with a public https address for HTTP and OAuth."""
    address = public_url.rstrip("/") if public_url else None
    listens = {"request_url": address + EVENTS_PATH} if address else {}
    redirects = {"redirect_urls": [address + REDIRECT_PATH]} if address else {}
    return {
        "_metadata": {"major_version": 2, "minor_version": 1},
        "display_information": {
            "name": name[:35],
            "description": "Answers from your team's own documents, with a source for every sentence.",
            "background_color": "#1f3a5f",
        },
        "features": _features(name, command, address),
        "oauth_config": {**redirects, "scopes": {"bot": sorted(SCOPES)}},
        "settings": {
            "event_subscriptions": {**listens, "bot_events": sorted(EVENTS)},
            "interactivity": {"is_enabled": True, **listens},
            "org_deploy_enabled": False,
            "socket_mode_enabled": address is None,
            "token_rotation_enabled": False,
        },
    }


def printed(made: Json) -> str:
    """A manifest as Slack's form takes it."""
    return json.dumps(made, indent=2, ensure_ascii=False)


def missing_scopes(granted: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The scopes that a token lacks, each with what it is for; `x-oauth-scopes` names the granted ones."""
    held = frozenset(granted)
    return tuple((scope, why) for scope, why in SCOPES.items() if scope not in held)


def _features(name: str, command: str, address: str | None) -> Json:
    slash: Json = {
        "command": command,
        "description": "Ask the team's documents, or look after the bot",
        "usage_hint": "ask QUESTION | sources | status | reindex | adapter | quiet | help",
        "should_escape": False,
    }
    return {
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "agent_view": {
            "agent_description": "Ask what your team has written down. I answer with sources, or say so.",
            "suggested_prompts": [{"title": "What do you know?", "message": "What can I ask you about?"}],
        },
        "bot_user": {"display_name": name[:80], "always_online": True},
        "shortcuts": [
            {
                "name": "Answer this",
                "type": "message",
                "callback_id": ANSWER_THIS,
                "description": "Answer this message from the team's documents",
            }
        ],
        "slash_commands": [slash | ({"url": address + EVENTS_PATH} if address else {})],
    }
