"""How the Discord connector bears load: a local Discord, the real client, and an engine that only waits.

    python -m benchmarks.discord burst --questions 50    how soon interactions are answered at first
    python -m benchmarks.discord beats --questions 200   how late heartbeats are while questions are in work
    python -m benchmarks.discord unrest --events 5000    what is lost or doubled when connections break

The local Discord runs in this process. Every question is answered after `--work` seconds; the journal is a
SQLite file in a scratch folder.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(_TESTS / "servers"), str(_TESTS / "connectors")]

from discord_hall import DiscordHall, complete  # noqa: E402
from discord_platform import DiscordPlatform, discord_platform  # noqa: E402

from benchmarks.slack import BATCH, CEILING_SECONDS, working  # noqa: E402

_BEAT_SECONDS = 1.0
# New sessions are at least five seconds apart.
_LOST = 0.02
_LOST_AFTER_SECONDS = 120.0
_SETTLING_SECONDS = 3.0


async def burst(questions: int, work: float) -> dict[str, Any]:
    """Ask so many questions at once with `/ask`, each by another person."""
    with _hall(work) as hall:
        async with discord_platform() as discord, hall.on(discord):
            people = [discord.user(f"P{number}") for number in range(questions)]
            channel = discord.channel("help")
            began = time.monotonic()
            await asyncio.gather(*(discord.slash(one, channel, "ask", question="Where?") for one in people))
            await discord.until(lambda: len(complete(discord, channel)) >= questions, CEILING_SECONDS)
            return {
                "questions": questions,
                "first_response_p50": round(discord.response_quantile(0.5), 3),
                "first_response_p99": round(discord.response_quantile(0.99), 3),
                "answers": len(complete(discord, channel)),
                "all_answered": round(time.monotonic() - began, 1),
            }


async def beats(questions: int, work: float) -> dict[str, Any]:
    """Answer so many questions, and look how late the heartbeats are."""
    with _hall(work) as hall:
        async with discord_platform() as discord:
            discord.gateway.interval = _BEAT_SECONDS
            ada, channel = discord.user("Ada"), discord.channel("help")
            async with hall.on(discord):
                said = await asyncio.gather(
                    *(discord.mention(ada, channel, "Where?") for _ in range(questions))
                )
                await discord.until(lambda: all(complete(discord, one) for one in said), CEILING_SECONDS)
                late = discord.gateway.lateness()
                return {"questions": questions, "beats": len(late), "latest": round(max(late, default=0), 3)}


async def unrest(events: int, work: float, seed: int) -> dict[str, Any]:
    """Mention the bot so often while at random connections break and sessions are lost."""
    with _hall(work, at_once=BATCH, opens_threads=False) as hall:
        async with discord_platform() as discord, hall.on(discord):
            ada = discord.user("Ada")
            said: dict[str, list[str]] = {}
            async with discord.unrest(random.Random(seed), lost=_LOST):
                for start in range(0, events, BATCH):
                    channel = discord.channel(f"help-{start}")
                    size = min(BATCH, events - start)
                    said[channel] = await asyncio.gather(
                        *(discord.mention(ada, channel, "Where?") for _ in range(size))
                    )
                    await _answered(discord, channel, said[channel])
            await asyncio.sleep(_SETTLING_SECONDS)
            counts = [count for channel, asked in said.items() for count in _counted(discord, channel, asked)]
            return {
                "events": len(counts),
                "resumed": len(discord.gateway.resumed),
                "sessions": len(discord.gateway.identified),
                "lost": counts.count(0),
                "doubled": sum(count > 1 for count in counts),
            }


async def _answered(discord: DiscordPlatform, channel: str, asked: list[str]) -> None:
    """Wait until all are answered, or it is clear that some are lost."""

    def are_answered() -> bool:
        return {*asked} <= {one.reply_to for one in complete(discord, channel)}

    with suppress(AssertionError):
        await discord.until(are_answered, _LOST_AFTER_SECONDS)


def _counted(discord: DiscordPlatform, channel: str, asked: list[str]) -> list[int]:
    """How often each message was answered, by all that the bot says in the channel."""
    answered = Counter(one.reply_to for one in discord.answers(channel))
    return [answered[one] for one in asked]


@contextmanager
def _hall(work: float, **options: Any) -> Iterator[DiscordHall]:
    with tempfile.TemporaryDirectory() as folder:
        hall = DiscordHall(Path(folder), **options)
        hall.engine.script = working(work)
        try:
            yield hall
        finally:
            hall.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="load", required=True)
    for name, size, default in (
        ("burst", "questions", 50),
        ("beats", "questions", 200),
        ("unrest", "events", 5000),
    ):
        command = commands.add_parser(name)
        command.add_argument(f"--{size}", type=int, default=default)
        command.add_argument("--work", type=float, default=0.05)
        command.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.load == "burst":
        measured = asyncio.run(burst(given.questions, given.work))
    elif given.load == "beats":
        measured = asyncio.run(beats(given.questions, given.work))
    else:
        measured = asyncio.run(unrest(given.events, given.work, given.seed))
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
