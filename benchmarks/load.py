"""How a whole Lorebot bears people who keep asking: `lorebot serve` as a process, and a local Slack.

    python -m benchmarks.load --minutes 10 --askers 50

The index, the embedding model, the checks and the journal are real; a model's server says the first piece
of evidence at 40 words a second, so that no model's time is measured. The Slack is a protocol server on
loopback. Each asker asks one of the example questions, half of them in a channel and half directly, waits for
the whole answer, and asks again after a pause. Seconds are as the Slack sees them, from the message on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.live.model import asking, model_process
from benchmarks.live.people import Asked, ask_on
from benchmarks.live.process import Served, Setup, prepare, started
from bot.settings import load_settings_or_defaults

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "servers"))

from slack_platform import SlackPlatform, slack_platform

_ROOT = Path(__file__).parents[1]
_CHANNELS = 5
_PATIENCE_SECONDS = 300.0
_SETTLING_SECONDS = 3.0
_SAMPLE_SECONDS = 5.0

# What a process keeps for good (models, caches of names, pools of threads) it has after so much of the time.
_WARM_SHARE = 0.25


async def load(
    minutes: float, askers: int, pause: float, seed: int, folder: Path, speaker: str
) -> dict[str, Any]:
    """Let so many people ask for so long; `speaker` is whose model answers, "server" or "local"."""
    rng = random.Random(seed)
    with model_process() as model:
        async with slack_platform() as slack:
            setup = Setup(
                folder,
                _ROOT / "examples" / "documents",
                load_settings_or_defaults(None).home / "models",
                asking(model) if speaker == "server" else "",
                environment=_credentials(slack),
            )
            async with started(setup, prepare(setup)) as served:
                await slack.connected(seconds=600)
                await served.until_ready()
                before, began = _journal_bytes(setup), time.monotonic()
                samples, asked = await _asked_for(slack, served, minutes, askers, pause, rng)
                seconds = time.monotonic() - began
                await asyncio.sleep(_SETTLING_SECONDS)
                errors = [line for line in served.said() if line["level"] in ("warning", "error")]
                return {
                    "askers": askers,
                    "seconds": round(seconds),
                    **_counted(slack, asked),
                    "questions_a_second": round(len(asked) / seconds, 2),
                    **_timed(asked),
                    "cpu_seconds_a_question": round((samples[-1][2] - samples[0][2]) / len(asked), 3),
                    **_memory(samples),
                    "journal_bytes_a_question": round((_journal_bytes(setup) - before) / len(asked)),
                    "warnings_and_errors": len(errors),
                    "exit_code": await served.end(),
                }


Sample = tuple[float, float, float]


async def _asked_for(
    slack: SlackPlatform, served: Served, minutes: float, askers: int, pause: float, rng: random.Random
) -> tuple[list[Sample], list[Asked]]:
    """Seconds, memory (MiB) and computed seconds over the time; and what was asked."""
    questions = _questions()
    people = [slack.user(f"P{number}") for number in range(askers)]
    channels = [slack.channel(f"help-{number}", people) for number in range(_CHANNELS)]
    samples: list[Sample] = []
    began = time.monotonic()

    async def watch() -> None:
        while True:
            samples.append((time.monotonic() - began, served.resident_mib, served.cpu_seconds))
            await asyncio.sleep(_SAMPLE_SECONDS)

    watching = asyncio.create_task(watch())
    try:
        asked = await asyncio.gather(
            *(
                ask_on(
                    slack,
                    person,
                    channels[number % _CHANNELS] if number % 2 else slack.im(person),
                    lambda: rng.choice(questions),
                    lambda: rng.uniform(0, 2 * pause),
                    began + 60 * minutes,
                    _PATIENCE_SECONDS,
                )
                for number, person in enumerate(people)
            )
        )
    finally:
        watching.cancel()
    samples.append((time.monotonic() - began, served.resident_mib, served.cpu_seconds))
    return samples, [one for each in asked for one in each]


def _counted(slack: SlackPlatform, asked: Sequence[Asked]) -> dict[str, int]:
    answers = [len(slack.answers(one.channel, one.ts)) for one in asked]
    return {
        "questions": len(asked),
        "lost": sum(one.whole is None for one in asked),
        "doubled": sum(count > 1 for count in answers),
    }


def _timed(asked: Sequence[Asked]) -> dict[str, float]:
    signs = [one.sign for one in asked if one.sign is not None]
    wholes = [one.whole for one in asked if one.whole is not None]
    return {
        f"{name}_p{round(100 * share)}": round(float(np.quantile(values, share)), 2)
        for name, values in (("first_sign", signs), ("answer", wholes))
        for share in (0.5, 0.99)
    }


def _memory(samples: Sequence[Sample]) -> dict[str, Any]:
    """Memory at the start and at each tenth of the time; the slope is of the line from when it is warm on."""
    warm = [sample for sample in samples if sample[0] >= _WARM_SHARE * samples[-1][0]]
    times, held = [sample[0] / 60 for sample in warm], [sample[1] for sample in warm]
    slope = float(np.polyfit(times, held, 1)[0]) if len(warm) > 2 else float("nan")
    tenths = np.linspace(0, len(samples) - 1, 11).round().astype(int)
    return {"mib": [round(samples[at][1]) for at in tenths], "mib_a_minute": round(slope, 2)}


def _journal_bytes(setup: Setup) -> int:
    """The pages of the journal, those in its log included."""
    with closing(sqlite3.connect(setup.home / "journal.sqlite")) as connection:
        ((count,),), ((size,),) = (connection.execute(f"PRAGMA page_{of}") for of in ("count", "size"))
        return int(count) * int(size)


def _questions() -> list[str]:
    lines = (_ROOT / "examples" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["question"] for line in lines]


def _credentials(slack: SlackPlatform) -> dict[str, str]:
    return {
        "SLACK_API_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.team.token,
        "SLACK_APP_TOKEN": slack.app_token,
        "DISCORD_TOKEN": "",
    }


def main() -> None:
    """Print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--askers", type=int, default=50)
    parser.add_argument("--pause", type=float, default=5.0, help="seconds on average")
    parser.add_argument("--model", choices=("server", "local"), default="server", help="whose answers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="where the home and the log stay")
    given = parser.parse_args()
    # Told to end, it ends what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        asked = load(given.minutes, given.askers, given.pause, given.seed, folder, given.model)
        print(json.dumps(asyncio.run(asked)))


if __name__ == "__main__":
    main()
