"""Those who watch a process learn whether each platform's events reach it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from discord_hall import DiscordHall
from discord_platform import DiscordPlatform
from slack_hall import Hall
from slack_platform import SlackPlatform

from connectors.presence import Presence


async def until(presence: Presence, platform: str, connected: bool) -> None:
    async with asyncio.timeout(60):
        while await presence.is_connected(platform) != connected:
            await asyncio.sleep(0.01)


async def test_slack_is_connected_while_its_socket_stands(slack: SlackPlatform, tmp_path: Path) -> None:
    hall = Hall(tmp_path)
    service = hall.service(slack.api_url)
    presence = service.ports.presence
    before = await presence.is_connected("slack")
    run = service.run_socket(slack.team.token, slack.app_token, ping_seconds=0.2)
    async with hall.working(run, slack.connected()):
        await until(presence, "slack", True)
    hall.close()
    assert (before, await presence.is_connected("slack")) == (False, False)


async def test_discord_is_connected_while_its_gateway_stands(
    discord: DiscordPlatform, tmp_path: Path
) -> None:
    hall = DiscordHall(tmp_path)
    service = hall.on_discord(discord)
    presence = service.ports.presence
    before = await presence.is_connected("discord")
    async with hall.working(service.run(discord.token), discord.connected()):
        await until(presence, "discord", True)
    hall.close()
    assert (before, await presence.is_connected("discord")) == (False, False)
