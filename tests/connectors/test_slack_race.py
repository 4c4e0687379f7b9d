"""One question, one answer: whatever is delivered again, to whichever process, over whatever connection."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from slack_hall import Hall
from slack_platform import SlackPlatform

QUESTION = "Where do visitors park?"
ROOT = Path(__file__).parents[2]


async def test_of_two_connectors_with_one_journal_one_answers(
    slack: SlackPlatform, hall: Hall, tmp_path: Path
) -> None:
    other = Hall(tmp_path)
    ada = slack.user("Ada")
    try:
        async with hall.connected(slack), other.connected(slack):
            await slack.connected(2)
            said = await asyncio.gather(*(slack.dm(ada, QUESTION) for _ in range(40)))
            for delivery in [delivery for one in said for delivery in one.deliveries]:
                await asyncio.gather(slack.redeliver(delivery), slack.redeliver(delivery))
            await slack.until(lambda: all(slack.answers(one.channel, one.ts) for one in said))
            await slack.settled()
            answers = [len(slack.answers(one.channel, one.ts)) for one in said]
    finally:
        other.close()
    assert answers == [1] * 40
    assert len(hall.engine.asked) + len(other.engine.asked) == 40


async def test_broken_connections_lose_and_double_nothing(slack: SlackPlatform, hall: Hall) -> None:
    slack.deliveries.ack_timeout = 1.0
    ada = slack.user("Ada")
    help_ = slack.channel("help", [ada])
    async with hall.connected(slack), slack.unrest(random.Random(5), 0.3):
        said = []
        for _ in range(8):
            said += await asyncio.gather(*(slack.mention(ada, help_, QUESTION) for _ in range(5)))
            await slack.until(lambda said=said: all(slack.answers(help_, one.ts) for one in said))
    assert [len(slack.answers(help_, one.ts)) for one in said] == [1] * 40


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_thousand_events_delivered_three_times_to_two_processes_get_a_thousand_answers() -> None:
    command = [sys.executable, "-m", "benchmarks.slack", "race", "--events", "1000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout.splitlines()[-1])
    assert (measured["answers"], measured["lost"], measured["doubled"]) == (1000, 0, 0)
    assert measured["attempts"] >= 3000
