"""What Discord does to a connection, and what a person sees of it: one answer, always."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from discord_hall import QUESTION, SAID, DiscordHall, asks_once, complete, said_in
from discord_platform import DiscordPlatform
from slack_hall import Gate, answer_to, speak
from sqlalchemy import func, select

from bot.database import deliveries
from connectors.conversation import AnswerEvent, Question
from connectors.discord import desk
from connectors.discord.running import DiscordRefusedError
from connectors.ports import Delivery


async def test_a_rate_limit_is_waited_out(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        discord.limit("POST /channels/*/messages", 0.2)
        discord.limit("PATCH /channels/*/messages/*", 0.2)
        await asks_once(discord, ada, channel)
    assert [call.status for call in discord.calls].count(429) == 2


async def test_when_calls_are_rationed_everybody_is_answered_once(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    behind.options["opens_threads"] = False
    ada, channel = discord.user("Ada"), discord.channel("help")
    discord.ration("POST /channels/*/messages", calls=2, seconds=0.3)
    async with behind.on(discord):
        said = [await discord.mention(ada, channel, QUESTION) for _ in range(5)]
        await discord.until(lambda: len(complete(discord, channel)) == 5)
    assert sorted(one.reply_to for one in discord.answers(channel)) == sorted(said)


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
        await asks_once(discord, ada, channel)


async def test_after_an_invalid_session_what_was_missed_is_looked_up(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        await asks_once(discord, ada, channel)
        discord.gateway.invalidate(resumable=False)
        await discord.until(lambda: not discord.gateway.open)
        await asks_once(discord, ada, channel)
    assert len(behind.engine.asked) == 2


async def test_a_malformed_event_breaks_nothing(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        discord.gateway.malformed("MESSAGE_CREATE", {})
        discord.gateway.malformed("GUILD_ROLE_UPDATE", {"role": None})
        await asks_once(discord, ada, channel)
    assert [line["event"] for line in behind.log.of("error")] == ["discord event not read"] * 2


async def test_a_malformed_greeting_is_followed_by_another_connection(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        discord.gateway.malformed("READY", {})
        await discord.until(lambda: not discord.gateway.open)
        await asks_once(discord, ada, channel)


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


async def test_an_intent_that_is_not_granted_is_named_with_the_fix_and_done_without(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    discord.privileged.discard("message_content")
    async with behind.on(discord):
        await asks_once(discord, ada, channel)
    assert ["message_content = false" in line["fix"] for line in behind.log.of("warning")] == [True]


async def test_an_intent_that_is_taken_away_ends_it_with_the_fix(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    async with behind.on(discord) as running:
        discord.privileged.discard("message_content")
        discord.gateway.invalidate(resumable=False)
        with pytest.raises(DiscordRefusedError, match="message_content = false"):
            await running


async def test_a_connection_that_discord_ends_in_order_is_made_anew(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        await discord.gateway.close_all(1000)
        await asks_once(discord, ada, channel)


async def test_what_was_said_shortly_before_the_start_is_answered(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    asked = await discord.mention(ada, channel, QUESTION)
    for _ in range(2):
        async with behind.on(discord):
            await discord.until(lambda: complete(discord, asked))
    assert len(behind.engine.asked) == 1


async def test_what_was_missed_is_looked_up_again_when_looking_fails(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    asked = await discord.mention(ada, channel, QUESTION)
    discord.lose("GET /channels/*/messages", "before", times=2)
    async with behind.on(discord):
        await discord.until(lambda: complete(discord, asked))
    assert len(complete(discord, asked)) == 1


async def test_what_was_said_in_a_thread_before_the_bot_took_part_is_not_answered_later(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    thread = discord.thread(channel, ada, "parking", members=[discord.bot])
    await discord.say(ada, thread, "Does anybody know about parking?")
    async with behind.on(discord):
        await discord.mention(ada, thread, QUESTION)
        await discord.until(lambda: complete(discord, thread))
        await behind.remembers(discord, thread)
    async with behind.on(discord):
        await discord.dm(ada, QUESTION)
        await discord.until(lambda: complete(discord, discord.dm_channel(ada)))
    assert len(complete(discord, thread)) == 1
    assert len(behind.engine.asked) == 2


async def test_every_shard_looks_up_what_it_missed_itself(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    discord.shards, discord.public = 2, False
    while len({int(guild) >> 22 & 1 for guild in discord.guilds}) < 2:
        discord.add_guild("More")
    other = next(guild for guild in discord.guilds if int(guild) >> 22 & 1 != int(discord.guild) >> 22 & 1)
    ada, channel = discord.user("Ada", guild=other), discord.channel("help", guild=other)
    async with behind.on(discord):
        await discord.connected(2)
        await asks_once(discord, ada, channel)
        sessions = discord.gateway.sessions
        lost, kept = sorted(sessions.values(), key=lambda one: one.shard != int(other) >> 22 & 1)
        del sessions[lost.id]
        for session in (lost, kept):
            assert session.connection is not None
            session.connection.abort()
        await asks_once(discord, ada, channel)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["POST /channels/*/messages/*/threads", "POST /channels/*/messages"])
async def test_a_call_that_breaks_on_the_way_is_done_once(
    discord: DiscordPlatform, behind: DiscordHall, call: str, when: str
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        discord.lose(call, when)
        asked = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: asked in discord.messages and complete(discord, asked))
    assert len(discord.answers(asked)) == 1
    assert discord.answers(channel) == []


async def test_a_first_response_that_breaks_on_the_way_costs_nobody_the_answer(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        discord.lose("POST /interactions/*", "before")
        await discord.slash(ada, channel, "ask", question=QUESTION)
        await discord.until(lambda: complete(discord, channel))
    assert len(discord.answers(channel)) == 1


async def test_what_is_asked_while_the_journal_is_away_is_answered_once_it_is_back(
    discord: DiscordPlatform, behind: DiscordHall, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, tried = behind.inbox.take, 0

    async def away_at_first(delivery: Delivery) -> bool:
        nonlocal tried
        tried += 1
        if tried <= 5:
            raise OSError("no journal")
        return await take(delivery)

    monkeypatch.setattr(desk, "_INBOX_TRIES", (0.01,) * len(desk._INBOX_TRIES))
    monkeypatch.setattr(behind.inbox, "take", away_at_first)
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        asked = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: complete(discord, asked))
    assert said_in(discord, discord.dm_channel(ada)) == []


@pytest.mark.parametrize("how", ["mention", "slash"])
async def test_while_the_journal_is_away_whoever_asks_is_told(
    discord: DiscordPlatform, behind: DiscordHall, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    async def away(delivery: object) -> bool:
        raise OSError("no journal")

    monkeypatch.setattr(desk, "_INBOX_TRIES", (0.01,))
    monkeypatch.setattr(behind.inbox, "take", away)
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        if how == "mention":
            await discord.mention(ada, channel, QUESTION)
            place = discord.dm_channel(ada)
        else:
            await discord.slash(ada, channel, "ask", question=QUESTION)
            place = channel
        await discord.until(
            lambda: any("Something went wrong" in one.words for one in said_in(discord, place, ada))
        )


async def test_a_private_answer_needs_no_direct_messages(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    discord.fail("POST /users/@me/channels", 50007, times=None)
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        await discord.slash(ada, channel, "ask", question=QUESTION, private=True)
        await discord.until(lambda: complete(discord, channel, ada))


async def test_where_the_bot_may_not_write_the_answer_comes_in_a_direct_message(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    discord.fail("POST /channels/*/messages/*/threads", 50013)
    discord.fail("POST /channels/*/messages", 50013)
    async with behind.on(discord):
        await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: complete(discord, discord.dm_channel(ada)))
    assert discord.answers(channel) == []


async def test_two_processes_give_one_answer(
    discord: DiscordPlatform, behind: DiscordHall, tmp_path: Path
) -> None:
    other = DiscordHall(tmp_path)
    ada, channel = discord.user("Ada"), discord.channel("help")
    try:
        async with behind.on(discord), other.on(discord):
            await discord.connected(2)
            for _ in range(3):
                await asks_once(discord, ada, channel)
            await discord.slash(ada, channel, "ask", question=QUESTION)
            await discord.until(lambda: complete(discord, channel))
    finally:
        other.close()
    assert len(complete(discord, channel)) == 1
    assert len(behind.engine.asked) + len(other.engine.asked) == 4


async def test_what_a_process_left_is_finished_by_the_next(
    discord: DiscordPlatform, behind: DiscordHall, tmp_path: Path
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    gate = Gate()
    behind.engine.script = gate.script
    behind.closing_seconds = 0.1
    async with behind.on(discord):
        asked = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: asked in discord.messages and discord.answers(asked))
    other = DiscordHall(tmp_path)
    try:
        async with other.on(discord):
            await discord.until(lambda: complete(discord, asked))
    finally:
        other.close()
    assert len(discord.answers(asked)) == 1


@pytest.mark.parametrize("is_finished", [False, True])
async def test_what_a_process_left_of_a_long_answer_is_not_said_twice(
    discord: DiscordPlatform, behind: DiscordHall, tmp_path: Path, is_finished: bool
) -> None:
    def long(question: Question) -> AsyncGenerator[AnswerEvent, None]:
        paragraphs = (f"{SAID}, as paragraph {number} says. " * 8 for number in range(40))
        return speak(question, answer_to(question, "\n\n".join(paragraphs) + " [1]"))

    async def dies(key: str) -> None:
        raise OSError("the process is gone")

    behind.engine.script = long
    ada, channel = discord.user("Ada"), discord.channel("help")
    behind.inbox.finish = dies  # type: ignore[method-assign]
    async with behind.on(discord):
        asked = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: complete(discord, asked))
        await discord.until(lambda: behind.log.of("error"))
    said = [one.id for one in discord.answers(asked)]
    assert len(said) > 2
    if not is_finished:
        await discord.delete(asked, said.pop())
    other = DiscordHall(tmp_path)
    other.engine.script = long
    try:
        async with other.on(discord):
            await discord.until(lambda: not _left(other))
    finally:
        other.close()
    assert [one.id for one in discord.answers(asked)][: len(said)] == said
    assert len(discord.answers(asked)) == len(said) + (not is_finished)
    assert len(complete(discord, asked)) == 1


def _left(behind: DiscordHall) -> int:
    """How many deliveries are not finished."""
    with behind.journal.database.reading() as connection:
        left = select(func.count()).where(deliveries.c.done_at.is_(None))
        return int(connection.execute(left).scalar_one())


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
