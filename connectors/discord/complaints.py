"""What Discord's errors mean for the person who installed the bot, and how to mend them."""

from __future__ import annotations

import discord

_PORTAL = "https://discord.com/developers/applications"

CONTENT_OFF = (
    f"switch on 'Message Content Intent' at {_PORTAL} > 'Bot', or set `message_content = false` under "
    "[discord]; meanwhile it reads mentions, direct messages and commands alone"
)
WHOSE = (
    "anybody may invite the bot, so that a server that it is in need not be the team's: set `guilds` under "
    f"[discord] to the ids of the team's servers, or switch 'Public Bot' off at {_PORTAL} > 'Bot'"
)

# https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes
_FATAL = {
    4004: f"the token is not valid (any more): make a new one at {_PORTAL} > 'Bot' > 'Reset Token', and set "
    "DISCORD_TOKEN",
    4010: "the shard is not valid: unset what sets shards",
    4011: "the bot is in too many servers for one connection: update Lorebot",
    4012: "this version of the API is no longer served: update Lorebot",
    4013: "the intents are not valid: update Lorebot",
    4014: f"the intent 'Message Content' is not switched on: switch it on at {_PORTAL} > 'Bot' > 'Privileged "
    "Gateway Intents', or set `message_content = false` under [discord]",
}


def refusal(error: BaseException) -> str | None:
    """Why the bot can do nothing until somebody mends it, with the fix; None for what passes by itself."""
    if isinstance(error, discord.LoginFailure) or (
        isinstance(error, discord.HTTPException) and error.status == 401
    ):
        return _FATAL[4004]
    if isinstance(error, discord.PrivilegedIntentsRequired):
        return _FATAL[4014]
    return _FATAL.get(error.code) if isinstance(error, discord.ConnectionClosed) else None


def explain(error: BaseException) -> str:
    """An error in one line, without anything secret: an address may hold an interaction's token."""
    if isinstance(error, discord.HTTPException):
        return f"{error.status} {error.code}: {' '.join(error.text.split())[:300]}"
    if isinstance(error, discord.DiscordException | OSError | TimeoutError):
        return f"{type(error).__name__}: {str(error)[:300]}"
    return f"{type(error).__name__}: {error}"
