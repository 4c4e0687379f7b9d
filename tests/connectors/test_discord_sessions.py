"""How soon a broken connection is tried again, and a lost session followed by another."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
from discord.gateway import KeepAliveHandler
from discord_hall import DiscordHall, asks_once
from discord_platform import DiscordPlatform

from connectors.discord import pauses
from connectors.discord.pauses import PACING, Pacing
from connectors.discord.sessions import Sessions

HOUR = 3_600.0
BEFORE_IT_WOULD_BEAT = 20.0


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The longest that each pause might have lasted, in seconds; none lasts."""
    found: list[float] = []

    def no_pause(_: float, most: float) -> float:
        found.append(most)
        return 0.0

    monkeypatch.setattr(pauses, "uniform", no_pause)
    return found


async def _is_away(discord: DiscordPlatform, attempts: int) -> None:
    """The connection breaks, and cannot be made for so many attempts."""
    sessions = len(discord.gateway.identified)
    discord.gateway.away = attempts
    discord.gateway.cut()
    await discord.until(lambda: len(discord.gateway.identified) > sessions)


@asynccontextmanager
async def _answering(
    discord: DiscordPlatform, behind: DiscordHall
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """A bot that answered a question; asks another, and sees that one answer comes."""
    ask = partial(asks_once, discord, discord.user("Ada"), discord.channel("help"))
    async with behind.on(discord):
        await ask()
        yield ask


async def test_a_gateway_that_stays_away_is_tried_again_before_long(
    discord: DiscordPlatform, behind: DiscordHall, longest: list[float]
) -> None:
    behind.options["pacing"] = Pacing(sessions_apart=0)
    async with _answering(discord, behind) as ask:
        await _is_away(discord, attempts=12)
        await ask()
    assert longest == [2, 4, 8, 16, *[PACING.longest_pause] * 8]


@pytest.mark.parametrize(("steady", "after"), [(0.0, 2.0), (HOUR, 16.0)])
async def test_a_session_that_lived_for_a_while_makes_the_next_pause_short_again(
    discord: DiscordPlatform, behind: DiscordHall, longest: list[float], steady: float, after: float
) -> None:
    behind.options["pacing"] = Pacing(steady=steady, sessions_apart=0)
    async with _answering(discord, behind) as ask:
        await _is_away(discord, attempts=3)
        await ask()
        await _is_away(discord, attempts=1)
    assert longest[3:] == [after]


async def test_a_session_that_went_on_makes_the_next_pause_short_again(
    discord: DiscordPlatform, behind: DiscordHall, longest: list[float]
) -> None:
    behind.options["pacing"] = Pacing(steady=HOUR, sessions_apart=0)
    async with _answering(discord, behind) as ask:
        await _is_away(discord, attempts=3)
        await ask()
        await discord.gateway.close_all(4000)
        await ask()
        await _is_away(discord, attempts=1)
    assert longest[3:] == [2.0]


async def test_while_sessions_are_short_a_lost_one_is_followed_by_no_other(
    discord: DiscordPlatform, behind: DiscordHall, longest: list[float]
) -> None:
    async with _answering(discord, behind):
        discord.session_starts["remaining"] = 500
        discord.gateway.invalidate()
        await discord.until(lambda: behind.log.of("warning"))
        assert not discord.gateway.open
    assert [line["reason"] for line in behind.log.of("warning")] == [
        "500 of the 1000 sessions that Discord allows in a day are left"
    ]
    assert len(discord.gateway.identified) == 1


async def test_a_session_that_had_to_wait_begins_in_its_turn(
    discord: DiscordPlatform, behind: DiscordHall, longest: list[float]
) -> None:
    behind.options["pacing"] = Pacing(sessions_apart=0)
    async with _answering(discord, behind) as ask:
        discord.session_starts |= {"remaining": 20, "reset_after": 10_000}
        discord.gateway.invalidate()
        await discord.until(lambda: not discord.gateway.open)
        await ask()


async def test_the_last_sessions_of_a_day_are_not_begun(
    discord: DiscordPlatform, behind: DiscordHall, longest: list[float]
) -> None:
    behind.options["pacing"] = Pacing(sessions_apart=0)
    async with _answering(discord, behind) as ask:
        discord.session_starts |= {"remaining": 10, "reset_after": 50}
        discord.gateway.invalidate()
        await discord.until(lambda: len(behind.log.of("warning")) >= 3)
        assert len(discord.gateway.identified) == 1
        discord.session_starts["remaining"] = 1_000
        await ask()


async def test_after_the_end_no_connection_beats_any_more(
    discord: DiscordPlatform, behind: DiscordHall, longest: list[float]
) -> None:
    async with _answering(discord, behind):
        discord.session_starts["remaining"] = 500
        discord.gateway.invalidate()
        await discord.until(lambda: behind.log.of("warning"))
    beating = [one for one in threading.enumerate() if isinstance(one, KeepAliveHandler)]
    for thread in beating:
        await asyncio.to_thread(thread.join, BEFORE_IT_WOULD_BEAT)
    assert not any(thread.is_alive() for thread in beating)


async def test_sessions_begin_as_far_apart_as_discord_wants(behind: DiscordHall) -> None:
    sessions = Sessions(0.05, behind.log)
    began = time.monotonic()
    for _ in range(3):
        await sessions.begin()
    assert time.monotonic() - began >= 0.1
