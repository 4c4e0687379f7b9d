"""`lorebot serve` as a process, with the real engine, against a local Discord."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from discord_hall import said_in
from discord_platform import DiscordPlatform
from test_slack_serving import CEILING, office, serving

__all__ = ["office"]


@pytest.mark.slow
@pytest.mark.timeout(3 * CEILING)
async def test_a_question_in_discord_is_answered_from_the_documents_that_its_readers_may_read(
    discord: DiscordPlatform,
    office: Path,
) -> None:
    ada = discord.user("Ada")
    channel = discord.channel("help")
    environment = {
        "DISCORD_TOKEN": discord.token,
        "DISCORD_API_URL": discord.api_url,
        "DISCORD_GATEWAY_URL": discord.gateway_url,
    }
    with serving(office, environment):
        await discord.connected(seconds=CEILING)
        asked = await discord.mention(ada, channel, "Where do visitors park?")
        await discord.until(
            lambda: any("row C" in one.words and "Helpful" in one.labels for one in said_in(discord, asked)),
            CEILING,
        )
        secret = await discord.mention(ada, channel, "What does the director earn?")
        await discord.until(lambda: any("Helpful" in one.labels for one in said_in(discord, secret)), CEILING)
    assert not any("9,431" in one.words for one in said_in(discord, secret))


@pytest.mark.slow
@pytest.mark.timeout(3 * CEILING)
async def test_heartbeats_go_on_while_the_model_works(discord: DiscordPlatform, office: Path) -> None:
    discord.gateway.interval = 0.05
    people, channel = [discord.user(f"P{number}") for number in range(6)], discord.channel("help")
    environment = {
        "DISCORD_TOKEN": discord.token,
        "DISCORD_API_URL": discord.api_url,
        "DISCORD_GATEWAY_URL": discord.gateway_url,
    }
    with serving(office, environment):
        await discord.connected(seconds=CEILING)
        for one in people:
            await discord.slash(one, channel, "ask", question="Where do visitors park?")
        first = time.monotonic()
        await discord.until(
            lambda: sum("Helpful" in one.labels for one in said_in(discord, channel)) == len(people), CEILING
        )
        last = time.monotonic()
        beats = [beat for beat in discord.gateway.open[0].beats if first < beat < last]
    # One beat late by half of the time would be the model's work on the event loop.
    assert max(after - before for before, after in pairwise([first, *beats, last])) < (last - first) / 2
