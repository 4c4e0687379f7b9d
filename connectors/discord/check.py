"""Whether the bot is installed as it must be, and the link that installs it.

https://docs.discord.com/developers/topics/oauth2#bot-authorization-flow
"""

from __future__ import annotations

from collections.abc import Collection

import discord

from connectors.checking import Checked
from connectors.discord.boards import CALL_ERRORS
from connectors.discord.client import may_read_content
from connectors.discord.complaints import CONTENT_OFF, WHOSE, explain, refusal
from connectors.discord.running import point_at, rest_client
from connectors.log import Log

# What the bot does, and nothing else.
NEEDED = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    create_public_threads=True,
    read_message_history=True,
)
_INVITE_AGAIN = "open the link of `lorebot discord invite` again, or give its role the permission"


def invite_link(application: str) -> str:
    """The link that adds the bot to a server with exactly the permissions that it needs."""
    return discord.utils.oauth_url(application, permissions=NEEDED, scopes=("bot", "applications.commands"))


async def invite(token: str, api_url: str, log: Log) -> str:
    """The link for the bot of a token. Raises `discord.DiscordException`."""
    point_at(api_url, "")
    async with rest_client(log) as client:
        await client.login(token)
        return invite_link(str(client.application_id))


async def check(
    token: str, api_url: str, team: Collection[str], reads_content: bool, log: Log
) -> tuple[Checked, ...]:
    """Try the token on Discord: who the bot is, what it hears, where it is and what it may do there."""
    if not token:
        fix = "set DISCORD_TOKEN: https://discord.com/developers/applications > 'Bot' > 'Reset Token'"
        return (Checked("token", "missing", fix),)
    point_at(api_url, "")
    async with rest_client(log) as client:
        try:
            await client.login(token)
            guilds = [guild async for guild in client.fetch_guilds(limit=None)]
        except CALL_ERRORS as error:
            if line := refusal(error):
                return (Checked("token", "refused", line),)
            return (Checked("Discord", f"not reached at {api_url}", explain(error)),)
        checked = [Checked("token", f"{client.user}"), _content(client, reads_content), _team(client, team)]
        if not guilds:
            fix = f"open {invite_link(str(client.application_id))}"
            return (*checked, Checked("servers", "none", fix))
        for guild in guilds:
            checked += await _server(guild)
        missing = set(team) - {str(guild.id) for guild in guilds}
        for one in sorted(missing):
            fix = "invite the bot there, or take it out of `guilds` under [discord]"
            checked.append(Checked(f"server {one}", "the bot is not in it", fix))
    return tuple(checked)


def _content(client: discord.Client, reads_content: bool) -> Checked:
    granted = may_read_content(client.application_flags)
    if granted or not reads_content:
        return Checked("message content", "granted" if granted else "not wanted")
    return Checked("message content", "not granted", CONTENT_OFF)


def _team(client: discord.Client, team: Collection[str]) -> Checked:
    """Whose servers count as the team's."""
    application = client.application
    if team:
        return Checked("team", f"{len(team)} named under [discord]")
    if application is not None and not application.bot_public:
        return Checked("team", "every server: nobody else may invite the bot")
    return Checked("team", "not known for sure", WHOSE)


async def _server(guild: discord.Guild) -> list[Checked]:
    """What the bot's roles lack; channels may still take something away."""
    try:
        me = await guild.fetch_member(guild._state.self_id or 0)
        roles = {role.id: role for role in await guild.fetch_roles()}
    except CALL_ERRORS as error:
        return [Checked(f"server {guild.name}", "not read", explain(error))]
    held = discord.Permissions.none()
    for role in (guild.id, *me._roles):
        held |= roles[role].permissions if role in roles else discord.Permissions.none()
    lacking = [name for name, needed in NEEDED if needed and not getattr(held, name)]
    if held.administrator or not lacking:
        return [Checked(f"server {guild.name}", "all permissions")]
    return [Checked(f"server {guild.name}", f"lacks {', '.join(lacking)}", _INVITE_AGAIN)]
