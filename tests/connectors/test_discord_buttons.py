"""What is pressed under an answer in Discord, also after the bot was restarted."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from discord_hall import DiscordHall, complete, said_in
from discord_platform import DiscordPlatform
from slack_hall import answer_to, speak

from connectors.conversation import AnswerEvent, Question, ReadPassage
from connectors.ports import Judgement

QUESTION = "Where do visitors park?"


async def _answered(discord: DiscordPlatform, behind: DiscordHall, ada: str) -> tuple[str, str]:
    """A thread and the answer in it, given by a process that has ended."""
    channel = discord.channel("help")
    async with behind.on(discord):
        thread = await discord.mention(ada, channel, QUESTION)
        await discord.until(lambda: complete(discord, thread))
    return thread, complete(discord, thread)[0].id


def _judged(behind: DiscordHall) -> list[Judgement]:
    from sqlalchemy import select

    from bot.database import judgements

    with behind.journal.database.reading() as connection:
        rows = connection.execute(select(judgements)).mappings().all()
    return [Judgement(bool(row["helpful"]), row["fault"], row["better"] or "") for row in rows]


async def test_after_a_restart_a_thumb_is_kept(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada = discord.user("Ada")
    thread, answer = await _answered(discord, behind, ada)
    async with behind.on(discord):
        await discord.press(ada, thread, answer, "Helpful")
        await discord.until(lambda: any("Thank you" in one.words for one in said_in(discord, thread, ada)))
    assert _judged(behind) == [Judgement(True)]


async def test_a_thumb_down_opens_a_form_that_is_kept(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada = discord.user("Ada")
    thread, answer = await _answered(discord, behind, ada)
    async with behind.on(discord):
        pressed = await discord.press(ada, thread, answer, "Not helpful")
        await pressed.answered()
    async with behind.on(discord):
        await discord.submit_modal(pressed, {"better": "In row D.", "fault": ["outdated"]})
        await discord.until(lambda: any("Thank you" in one.words for one in said_in(discord, thread, ada)))
    assert _judged(behind) == [Judgement(False, "outdated", "In row D.")]


async def test_passages_are_shown_to_who_presses_alone(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, bob = discord.user("Ada"), discord.user("Bob")
    thread, answer = await _answered(discord, behind, ada)
    async with behind.on(discord):
        await discord.press(bob, thread, answer, "Show passages")
        await discord.until(
            lambda: any("Visitors park in row C." in one.words for one in _private(discord, thread, bob))
        )
    assert _private(discord, thread, ada) == []


async def test_a_guest_does_not_see_passages_that_the_team_may_read(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, guest = discord.user("Ada"), discord.user("Guest", pending=True)
    thread, answer = await _answered(discord, behind, ada)
    async with behind.on(discord):
        await discord.press(guest, thread, answer, "Show passages")
        await discord.until(lambda: any("ask again" in one.words for one in _private(discord, thread, guest)))


async def test_the_expert_is_called_once_and_nobody_else(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, eve = discord.user("Ada"), discord.user("Eve")
    behind.expert(f"user:{eve}")
    thread, answer = await _answered(discord, behind, ada)
    async with behind.on(discord):
        await discord.press(ada, thread, answer, "Ask a person")
        await discord.press(ada, thread, answer, "Ask a person")
        await discord.until(lambda: len(_private(discord, thread, ada)) == 2)
    assert [one.pings for one in said_in(discord, thread) if one.pings] == [(eve,)]


async def test_a_call_that_failed_can_be_made_again(discord: DiscordPlatform, behind: DiscordHall) -> None:
    ada, eve = discord.user("Ada"), discord.user("Eve")
    behind.expert(f"user:{eve}")
    thread, answer = await _answered(discord, behind, ada)
    async with behind.on(discord):
        discord.fail("POST /channels/*/messages", 50013)
        await discord.press(ada, thread, answer, "Ask a person")
        await discord.until(
            lambda: any("Something went wrong" in one.words for one in _private(discord, thread, ada))
        )
        await discord.press(ada, thread, answer, "Ask a person")
        await discord.until(lambda: any(one.pings for one in said_in(discord, thread)))
    assert [one.pings for one in said_in(discord, thread) if one.pings] == [(eve,)]


async def test_a_private_answer_is_shared_by_asking_again_for_all(
    discord: DiscordPlatform, behind: DiscordHall
) -> None:
    ada, channel = discord.user("Ada"), discord.channel("help")
    async with behind.on(discord):
        await discord.slash(ada, channel, "ask", question=QUESTION, private=True)
        await discord.until(lambda: complete(discord, channel, ada))
        shown = complete(discord, channel, ada)[0]
        await discord.press(ada, channel, shown.id, "Share to channel")
        await discord.until(lambda: complete(discord, channel))
    assert behind.engine.asked[1].place.principals == frozenset({"everyone", "public"})
    assert all(one.pings == () for one in said_in(discord, channel))


async def test_two_processes_show_the_passages_once(
    discord: DiscordPlatform, behind: DiscordHall, tmp_path: Path
) -> None:
    def much(question: Question) -> AsyncGenerator[AnswerEvent, None]:
        read = tuple(ReadPassage(f"Part {number}", "", None, "word " * 130, 0.5) for number in range(12))
        return speak(question, answer_to(question, read=read))

    behind.engine.script = much
    ada = discord.user("Ada")
    thread, answer = await _answered(discord, behind, ada)
    other = DiscordHall(tmp_path)
    try:
        async with behind.on(discord), other.on(discord):
            await discord.connected(2)
            await discord.press(ada, thread, answer, "Show passages")
            await discord.until(lambda: any("Part 11" in one.words for one in _private(discord, thread, ada)))
    finally:
        other.close()
    shown = _private(discord, thread, ada)
    assert len(shown) > 1
    assert len({one.words for one in shown}) == len(shown)


def _private(discord: DiscordPlatform, channel: str, user: str) -> list:  # type: ignore[type-arg]
    return [one for one in said_in(discord, channel, user) if one.ephemeral and not one.loading]
