"""How the Slack connector bears load: a local Slack, the real client, and an engine that only waits.

    python -m benchmarks.slack burst --questions 50    how soon Slack is told, and people see something
    python -m benchmarks.slack crowd --things 200      how soon Slack is told of messages, commands, buttons
                                                       that come at once while a model computes
    python -m benchmarks.slack unrest --events 5000    what is lost or doubled when connections break
    python -m benchmarks.slack race --events 1000      two processes, one journal, three deliveries each

The local Slack runs in this process, `race` has a process for each connector. Every question is answered
after `--work` seconds; the journal is a SQLite file in a scratch folder.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

_TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(_TESTS / "servers"), str(_TESTS / "connectors")]

from slack_hall import Hall, Script, answer_to  # noqa: E402
from slack_platform import Shown, SlackPlatform, slack_platform  # noqa: E402

from connectors.conversation import (  # noqa: E402
    Answered,
    AnswerEvent,
    Progress,
    Question,
    TextDelta,
)

CEILING_SECONDS = 1_800.0
BATCH = 50


def working(seconds: float) -> Script:
    """A script that takes so long for each answer."""

    async def script(question: Question) -> AsyncGenerator[AnswerEvent, None]:
        answer = answer_to(question)
        yield Progress("Searching 1,240 passages")
        await asyncio.sleep(seconds)
        yield TextDelta(answer.text)
        yield Answered(answer)

    return script


def computing(seconds: float) -> Script:
    """A script that computes so long for each answer, as a model does: in a thread, on the processor."""

    def compute() -> None:
        until, numbers = time.monotonic() + seconds, np.ones((400, 400), np.float32)
        while time.monotonic() < until:
            numbers @ numbers

    async def script(question: Question) -> AsyncGenerator[AnswerEvent, None]:
        yield Progress("Searching 1,240 passages")
        await asyncio.to_thread(compute)
        yield Answered(answer_to(question))

    return script


async def burst(questions: int, work: float) -> dict[str, Any]:
    """Ask so many questions at once, each by another person."""
    with _hall(work) as hall:
        async with slack_platform() as slack, hall.connected(slack):
            people = [slack.user(f"P{number}") for number in range(questions)]
            channel = slack.channel("help", people)
            began = time.monotonic()
            said = await asyncio.gather(*(slack.mention(person, channel, "Where?") for person in people))
            await slack.until(lambda: all(slack.answers(channel, one.ts) for one in said), CEILING_SECONDS)
            signs = [slack.first_sign(channel, one.ts) for one in said]
            acks = [one.ack_seconds for one in slack.acks if one.ack_seconds is not None]
            return {
                "questions": questions,
                "ack_p50": round(_quantile(acks, 0.5), 3),
                "ack_p99": round(_quantile(acks, 0.99), 3),
                "first_sign_p50": round(_quantile(signs, 0.5), 3),
                "first_sign_p99": round(_quantile(signs, 0.99), 3),
                "all_answered": round(time.monotonic() - began, 1),
            }


async def crowd(things: int, work: float) -> dict[str, Any]:
    """Let so many things come at once, a third of them each messages, commands and buttons."""
    with _hall(work) as hall:
        async with slack_platform() as slack, hall.connected(slack):
            people = [slack.user(f"P{number}") for number in range(things // 3)]
            channel = slack.channel("help", people)
            said = await slack.mention(people[0], channel, "Where?")
            await slack.until(lambda: any(map(_pressable, slack.answers(channel, said.ts))), CEILING_SECONDS)
            answer = next(filter(_pressable, slack.answers(channel, said.ts)))
            before = len(slack.deliveries.all)
            hall.engine.script = computing(work)
            await asyncio.gather(
                *(slack.dm(person, "Where?") for person in people),
                *(slack.slash(person, channel, "ask Where?") for person in people),
                *(
                    slack.press(person, channel, answer.ts, "lorebot_feedback", "positive")
                    for person in people
                ),
            )
            came = slack.deliveries.all[before:]
            await slack.until(lambda: all(one.done.is_set() for one in came), CEILING_SECONDS)
            acks = [one.ack_seconds for one in came if one.ack_seconds is not None]
            return {
                "things": len(came),
                "ack_p50": round(_quantile(acks, 0.5), 3),
                "ack_p99": round(_quantile(acks, 0.99), 3),
                "ack_worst": round(max(acks), 3),
                "late": sum(len(one.attempts) > 1 or one.state != "acked" for one in came),
            }


async def unrest(events: int, work: float, seed: int) -> dict[str, Any]:
    """Deliver so many events, two for each mention, while connections are cut and sent away at random."""
    with _hall(work, at_once=BATCH) as hall:
        async with slack_platform() as slack, hall.connected(slack):
            slack.deliveries.ack_timeout = 1.0
            person = slack.user("Ada")
            channel = slack.channel("help", [person])
            asked: list[str] = []
            async with slack.unrest(random.Random(seed)):
                for start in range(0, events // 2, BATCH):
                    size = min(BATCH, events // 2 - start)
                    said = await asyncio.gather(
                        *(slack.mention(person, channel, "Where?") for _ in range(size))
                    )
                    asked += [one.ts for one in said]
                    await _all_answered(slack, channel, [one.ts for one in said])
            attempts = sum(len(one.attempts) for one in slack.deliveries.all)
            return {"events": events, "attempts": attempts, **_counted(slack, channel, asked)}


async def race(events: int, work: float) -> dict[str, Any]:
    """Deliver each of so many events three times to two processes that share a journal."""
    with tempfile.TemporaryDirectory() as folder:
        async with slack_platform() as slack:
            person = slack.user("Ada")
            connectors = [await _process(slack, folder, work) for _ in range(2)]
            try:
                await slack.connected(2, CEILING_SECONDS)
                asked: list[str] = []
                for start in range(0, events, BATCH):
                    size = min(BATCH, events - start)
                    said = await asyncio.gather(*(slack.dm(person, "Where?") for _ in range(size)))
                    for one in said:
                        for delivery in one.deliveries:
                            await asyncio.gather(slack.redeliver(delivery), slack.redeliver(delivery))
                    asked += [one.ts for one in said]
                    await _all_answered(slack, slack.im(person), [one.ts for one in said])
                attempts = sum(len(one.attempts) for one in slack.deliveries.all)
                return {
                    "events": events,
                    "attempts": attempts,
                    **_counted(slack, slack.im(person), asked),
                }
            finally:
                for connector in connectors:
                    connector.send_signal(signal.SIGTERM)
                await asyncio.gather(*(connector.wait() for connector in connectors))


async def connector(api_url: str, token: str, app_token: str, folder: Path, work: float) -> None:
    """One connector, until the process is ended."""
    hall = Hall(folder, at_once=BATCH)
    hall.engine.script = working(work)
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    living = asyncio.create_task(hall.inbox.run())
    try:
        await hall.service(api_url).run_socket(token, app_token)
    finally:
        living.cancel()


async def _process(slack: SlackPlatform, folder: str, work: float) -> asyncio.subprocess.Process:
    arguments = [slack.api_url, slack.team.token, slack.app_token, folder, str(work)]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.slack", "connector", *arguments
    )


async def _all_answered(slack: SlackPlatform, channel: str, asked: list[str]) -> None:
    await slack.until(lambda: all(slack.answers(channel, ts) for ts in asked), CEILING_SECONDS)
    await slack.settled(CEILING_SECONDS)


def _counted(slack: SlackPlatform, channel: str, asked: list[str]) -> dict[str, Any]:
    answers = Counter({ts: len(slack.answers(channel, ts)) for ts in asked})
    return {
        "questions": len(asked),
        "answers": sum(answers.values()),
        "lost": sum(count == 0 for count in answers.values()),
        "doubled": sum(count > 1 for count in answers.values()),
    }


def _pressable(shown: Shown) -> bool:
    return bool(shown.elements("feedback_buttons"))


@contextmanager
def _hall(work: float, **options: Any) -> Iterator[Hall]:
    with tempfile.TemporaryDirectory() as folder:
        hall = Hall(Path(folder), **options)
        hall.engine.script = working(work)
        try:
            yield hall
        finally:
            hall.close()


def _quantile(values: list[float], share: float) -> float:
    if len(values) < 2:
        return values[0] if values else 0.0
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="load", required=True)
    for name, size, default in (
        ("burst", "questions", 50),
        ("crowd", "things", 200),
        ("unrest", "events", 5000),
        ("race", "events", 1000),
    ):
        command = commands.add_parser(name)
        command.add_argument(f"--{size}", type=int, default=default)
        command.add_argument("--work", type=float, default=0.05)
        command.add_argument("--seed", type=int, default=1)
    child = commands.add_parser("connector")
    for name in ("api_url", "token", "app_token", "folder", "work"):
        child.add_argument(name)
    given = parser.parse_args()
    if given.load == "connector":
        work = connector(given.api_url, given.token, given.app_token, Path(given.folder), float(given.work))
        try:
            asyncio.run(work)
        except asyncio.CancelledError:
            return
        return
    if given.load == "burst":
        measured = asyncio.run(burst(given.questions, given.work))
    elif given.load == "crowd":
        measured = asyncio.run(crowd(given.things, given.work))
    elif given.load == "unrest":
        measured = asyncio.run(unrest(given.events, given.work, given.seed))
    else:
        measured = asyncio.run(race(given.events, given.work))
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
