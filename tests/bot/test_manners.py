"""When the bot speaks: by the channel's mode, and never unasked where it was told to be quiet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import URL

from bot.journal import Journal
from bot.manners import MODE, QUIET, Manners
from connectors.conversation import Place

HELP = Place("slack", "C1", workspace="T1")
SALES = Place("slack", "C2", workspace="T1")


@pytest.fixture
def journal(journal_at: URL) -> Iterator[Journal]:
    opened = Journal(journal_at)
    yield opened
    opened.close()


@pytest.fixture
def manners(journal: Journal) -> Manners:
    return Manners(journal, {"slack": "auto"}, {"handbook": "user:U9"})


async def test_a_channel_has_the_mode_of_its_platform_until_another_is_chosen(manners: Manners) -> None:
    manners.set_mode(HELP, "off", "slack:U1")

    assert await manners.mode(HELP) == "off"
    assert await manners.mode(SALES) == "auto"
    assert await manners.mode(Place("discord", "9", workspace="8")) == "mention"


async def test_the_last_mode_counts_in_every_process(manners: Manners, journal: Journal) -> None:
    manners.set_mode(HELP, "off", "slack:U1")
    Manners(journal, {}, {}).set_mode(HELP, "mention", "slack:U2")

    assert await manners.mode(HELP) == "mention"


async def test_a_mode_that_a_later_version_chose_is_that_of_the_settings(
    manners: Manners, journal: Journal
) -> None:
    journal.append(MODE, "slack:T1/C1", "slack:U1", {"mode": "whisper"})

    assert await manners.mode(HELP) == "auto"


async def test_it_is_quiet_in_a_conversation_until_woken(manners: Manners) -> None:
    assert not await manners.is_quiet("slack:T1/C1/1.1")

    manners.be_quiet("slack:T1/C1/1.1", "slack:U1")
    assert await manners.is_quiet("slack:T1/C1/1.1")
    assert not await manners.is_quiet("slack:T1/C1/2.2")

    manners.wake("slack:T1/C1/1.1", "slack:U1")
    assert not await manners.is_quiet("slack:T1/C1/1.1")


async def test_a_quiet_channel_is_quiet_in_its_threads_but_for_those_woken_later(manners: Manners) -> None:
    manners.be_quiet("slack:T1/C1", "slack:U1")
    manners.wake("slack:T1/C1/2.2", "slack:U1")

    assert await manners.is_quiet("slack:T1/C1/1.1")
    assert not await manners.is_quiet("slack:T1/C1/2.2")
    assert not await manners.is_quiet("slack:T1/C2/1.1")


async def test_a_woken_channel_wakes_its_threads(manners: Manners) -> None:
    manners.be_quiet("slack:T1/C1/1.1", "slack:U1")
    manners.wake("slack:T1/C1", "slack:U1")

    assert not await manners.is_quiet("slack:T1/C1/1.1")


def test_who_said_so_is_in_the_journal(manners: Manners, journal: Journal) -> None:
    manners.set_mode(HELP, "off", "slack:U1")
    manners.be_quiet("slack:T1/C1/1.1", "slack:U2")

    said = [(entry.who, entry.subject) for entry in journal.recent([MODE, QUIET], 10)]
    assert said == [("slack:U2", "slack:T1/C1/1.1"), ("slack:U1", "slack:T1/C1")]


def test_the_expert_of_a_source_is_that_of_the_settings(manners: Manners) -> None:
    assert manners.expert("handbook") == "user:U9"
    assert manners.expert("wiki") is None
