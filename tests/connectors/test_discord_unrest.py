"""What Discord does to a connection, and what a person sees of it: one answer, always."""

from __future__ import annotations

import asyncio
import random

import pytest
from discord_hall import DiscordHall, complete
from discord_platform import DiscordPlatform
from slack_hall import Gate

from connectors.discord.running import DiscordRefusedError

QUESTION = "Where do visitors park?"


async def _asks_once(discord: DiscordPlatform, ada: str, channel: str) -> None:
    asked = await discord.mention(ada, channel, QUESTION)
    await discord.until(lambda: complete(discord, asked))
    assert len(complete(discord, asked)) == 1


async def test_a_rate_limit_is_waited_out(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        discord.limit("POST /channels/*/messages", 0.2)
        discord.limit("PATCH /channels/*/messages/*", 0.2)
        await _asks_once(discord, ada, channel)
    assert [call.status for call in discord.calls].count(429) == 2


@pytest.mark.parametrize("how", ["close 4000", "op 7", "cut"])
async def test_what_was_said_while_the_connection_was_gone_is_answered_once(
    discord: DiscordPlatform, behind: DiscordHall, how: str
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        await discord.until(lambda: discord.gateway.identified)
        if how == "close 4000":
            await discord.gateway.close_all(4000)
        elif how == "op 7":
            discord.gateway.reconnect()
        else:
            discord.gateway.cut()
        await _asks_once(discord, ada, channel)


async def test_after_an_invalid_session_what_was_missed_is_looked_up(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        await _asks_once(discord, ada, channel)
        discord.gateway.invalidate(resumable=False)
        await discord.until(lambda: not discord.gateway.open)
        await _asks_once(discord, ada, channel)
    assert len(behind.engine.asked) == 2


async def test_a_malformed_event_breaks_nothing(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        discord.gateway.malformed("MESSAGE_CREATE", {})
        discord.gateway.malformed("GUILD_ROLE_UPDATE", {"role": None})
        await _asks_once(discord, ada, channel)
    assert [line["event"] for line in behind.log.of("error")] == ["discord event not read"] * 2


async def test_a_malformed_greeting_is_followed_by_another_connection(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        discord.gateway.malformed("READY", {})
        await discord.until(lambda: not discord.gateway.open)
        await _asks_once(discord, ada, channel)


async def test_a_revoked_token_ends_it_with_the_fix(discord: DiscordPlatform, behind: DiscordHall) -> None:
    async with behind.on(discord) as running:
        discord.revoke()
        await discord.gateway.close_all(4004)
        with pytest.raises(DiscordRefusedError, match="Reset Token"):
            await running


async def test_a_wrong_token_is_said_with_the_fix(discord: DiscordPlatform, behind: DiscordHall) -> None:
    discord.revoke()
    with pytest.raises(DiscordRefusedError, match="Reset Token"):
        async with behind.on(discord):
            pass


async def test_an_intent_that_is_not_granted_is_said_with_the_fix(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    discord.privileged.discard("message_content")
    with pytest.raises(DiscordRefusedError, match="message_content = false"):
        async with behind.on(discord) as running:
            await running


async def test_two_processes_give_one_answer(
    discord: DiscordPlatform, behind: DiscordHall, tmp_path: object
) -> None:
    from pathlib import Path

    other = DiscordHall(Path(str(tmp_path)))
    ada, channel = discord.user("Ada"), discord.channel("help")
    try:
        async with behind.on(discord), other.on(discord):
            await discord.connected(2)
            for _ in range(3):
                await _asks_once(discord, ada, channel)
            await discord.slash(ada, channel, "ask", question=QUESTION)
            await discord.until(lambda: complete(discord, channel))
    finally:
        other.close()
    assert len(complete(discord, channel)) == 1
    assert len(behind.engine.asked) + len(other.engine.asked) == 4


async def test_what_a_process_left_is_finished_by_the_next(
    discord: DiscordPlatform, behind: DiscordHall, tmp_path: object
) -> None:
    from pathlib import Path

    ada, channel = discord.user("Ada"), discord.channel("help")
    gate = Gate()
    behind.engine.script = gate.script
    behind.closing_seconds = 0.1
    async with behind.on(discord):
        asked = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: asked in discord.messages and discord.answers(asked))
    other = DiscordHall(Path(str(tmp_path)))
    try:
        async with other.on(discord):
            await discord.until(lambda: complete(discord, asked))
    finally:
        other.close()
    assert len(discord.answers(asked)) == 1


async def test_nothing_is_lost_or_doubled_when_connections_break(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        async with discord.unrest(random.Random(1), 0.3):
            said = []
            for _ in range(20):
                said += await asyncio.gather(*(discord.mention(ada, channel, QUESTION) for _ in range(3)))
                await asyncio.sleep(0.05)
        await discord.until(lambda: all(complete(discord, one) for one in said))
    assert [len(complete(discord, one)) for one in said] == [1] * len(said)
