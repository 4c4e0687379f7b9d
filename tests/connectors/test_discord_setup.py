"""Setting the bot up: the invite link, and what the check finds."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import discord as library
import pytest
from discord_platform import DiscordPlatform
from slack_hall import Lines

from connectors.discord.check import NEEDED, check, invite, invite_link


def test_the_invite_link_asks_for_exactly_what_is_needed() -> None:
    asked = parse_qs(urlsplit(invite_link("123")).query)
    assert asked["client_id"] == ["123"]
    assert set(asked["scope"][0].split()) == {"bot", "applications.commands"}
    granted = library.Permissions(int(asked["permissions"][0]))
    assert granted == NEEDED
    assert not granted.administrator
    assert not granted.mention_everyone


async def test_the_link_is_made_for_the_bot_of_the_token(discord: DiscordPlatform) -> None:
    assert f"client_id={discord.bot}" in await invite(discord.token, discord.api_url, Lines())


async def test_an_installation_in_order_has_nothing_to_mend(discord: DiscordPlatform) -> None:
    discord.public = False
    findings = await check(discord.token, discord.api_url, (), True, Lines())
    assert [finding.fix for finding in findings if finding.fix] == []


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_a_token_that_does_not_work_is_named_with_the_fix(discord: DiscordPlatform, token: str) -> None:
    findings = await check(token, discord.api_url, (), True, Lines())
    assert [finding.name for finding in findings] == ["token"]
    assert "Reset Token" in findings[0].fix


async def test_when_discord_is_not_reached_the_token_is_not_blamed(discord: DiscordPlatform) -> None:
    discord.lose("GET /users/@me", "before", times=None)
    findings = await check(discord.token, discord.api_url, (), True, Lines())
    assert [finding.name for finding in findings] == ["Discord"]


async def test_a_missing_intent_is_named_with_the_fix(discord: DiscordPlatform) -> None:
    discord.privileged.discard("message_content")
    discord.public = False
    findings = await check(discord.token, discord.api_url, (), True, Lines())
    assert [finding.name for finding in findings if finding.fix] == ["message content"]


async def test_a_server_without_the_bot_is_named(discord: DiscordPlatform) -> None:
    findings = await check(discord.token, discord.api_url, ("42",), True, Lines())
    assert [finding.name for finding in findings if finding.fix] == ["server 42"]


async def test_a_bot_that_anybody_may_invite_is_to_know_the_teams_servers(discord: DiscordPlatform) -> None:
    findings = await check(discord.token, discord.api_url, (), True, Lines())
    assert [finding.name for finding in findings if finding.fix] == ["team"]
    findings = await check(discord.token, discord.api_url, (discord.guild,), True, Lines())
    assert [finding.name for finding in findings if finding.fix] == []
