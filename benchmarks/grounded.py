"""The skill of answering from numbered evidence, before anything is verified: an adapter beside the base.

    python -m benchmarks.grounded HELD-OUT [ADAPTER ...] [--limit N]

HELD-OUT is the file that `benchmarks.grounded_examples` writes: questions about articles that no shipped
adapter was trained on. answer_match: the reply holds the answer; right citation: its first marker names a
piece of evidence that holds it; declines: of the questions whose passage was withheld, those that it refuses;
wrong declines: refusals where the evidence holds the answer. Eight questions are asked at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from adapters.generation import GenerationRequest
from bot.assembly import Assembly
from bot.citations import parse_markers
from bot.declining import declines
from bot.evaluation import EvaluationError
from bot.prompt import grounded_prompt
from bot.settings import load_settings_or_defaults

TOGETHER = 8
NEW_TOKENS = 100


@dataclass(frozen=True)
class Reply:
    """A row of the held-out file with what was said to it."""

    row: dict[str, Any]
    text: str

    @property
    def matches(self) -> bool:
        return any(answer.casefold() in self.text.casefold() for answer in self.row["answers"])

    @property
    def cites(self) -> bool:
        return parse_markers(self.text)[1][:1] in [(number,) for number in self.row["gold"]]

    @property
    def refuses(self) -> bool:
        bare, markers = parse_markers(self.text)
        return declines(bare, markers)


async def ask_all(assembly: Assembly, adapter: str, rows: Sequence[dict[str, Any]]) -> list[Reply]:
    """The adapter's replies to all rows, greedily decoded."""
    places = asyncio.Semaphore(TOGETHER)

    async def ask(row: dict[str, Any]) -> Reply:
        prompt = grounded_prompt(row["question"], [(context, text) for context, text in row["evidence"]])
        async with places:
            pieces = [
                piece
                async for piece in assembly.generator.stream(GenerationRequest(prompt, adapter, NEW_TOKENS))
            ]
        return Reply(row, "".join(pieces))

    return await asyncio.gather(*map(ask, rows))


def figures(replies: Sequence[Reply]) -> dict[str, float]:
    """What the module's docstring explains, as shares."""
    there = [reply for reply in replies if reply.row["answers"]]
    withheld = [reply for reply in replies if not reply.row["answers"]]
    return {
        "answer_match": fmean(reply.matches for reply in there),
        "right citation": fmean(reply.cites for reply in there),
        "declines": fmean(reply.refuses for reply in withheld),
        "wrong declines": fmean(reply.refuses for reply in there),
        "words": fmean(len(reply.text.split()) for reply in there),
    }


async def measure(
    assembly: Assembly, adapters: Sequence[str], rows: Sequence[dict[str, Any]], examples: int
) -> None:
    """Print a line of figures for each adapter, and its first replies."""
    try:
        for adapter in adapters:
            began = time.monotonic()
            replies = await ask_all(assembly, adapter, rows)
            seconds = (time.monotonic() - began) / len(rows)
            line = ", ".join(f"{name} {value:.3f}" for name, value in figures(replies).items())
            print(f"{adapter}: {line}; {seconds:.2f} s a question", flush=True)
            for reply in replies[:examples]:
                print(f"  {reply.row['question']}\n    wanted: {reply.row['answer']}\n    said: {reply.text}")
    finally:
        await assembly.close()


def main() -> None:
    """Measure the base and the adapters that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("adapters", nargs="*", default=["base", "grounded"])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--examples", type=int, default=0)
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.held_out.read_text(encoding="utf-8").splitlines()]
    if not rows:
        raise EvaluationError(f"{options.held_out} holds no rows")
    if options.limit and options.limit < len(rows):
        rows = [rows[index * len(rows) // options.limit] for index in range(options.limit)]
    assembly = Assembly(load_settings_or_defaults(options.config), print)
    asyncio.run(measure(assembly, options.adapters, rows, options.examples))


if __name__ == "__main__":
    main()
