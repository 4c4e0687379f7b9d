"""Lets the tests of this folder use the local platforms of tests/servers, and a hall for the connector."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

if TYPE_CHECKING:
    from discord_hall import DiscordHall
    from discord_platform import DiscordPlatform
    from slack_hall import Hall
    from slack_platform import SlackPlatform


@pytest.fixture
async def slack() -> AsyncIterator[SlackPlatform]:
    """A workspace without people."""
    from slack_platform import slack_platform

    async with slack_platform() as platform:
        yield platform


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    """What stands behind the connector, with a scripted engine."""
    from slack_hall import Hall

    made = Hall(tmp_path)
    yield made
    made.close()


@pytest.fixture
async def discord() -> AsyncIterator[DiscordPlatform]:
    """A server without people."""
    from discord_platform import discord_platform

    async with discord_platform() as platform:
        yield platform


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[DiscordHall]:
    """What stands behind the Discord connector, with a scripted engine."""
    from discord_hall import DiscordHall

    made = DiscordHall(tmp_path)
    yield made
    made.close()
