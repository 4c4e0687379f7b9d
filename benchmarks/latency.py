"""How quickly `lorebot` answers: the start of the command, and answers in a warm process.

python -m benchmarks.latency examples/questions.jsonl --docs examples/documents --limit 20
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bot.evaluation import read_questions
from bot.settings import load_settings_or_defaults
from bot.trial import run_trial


def main() -> None:
    """Print the medians and the worst of each."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("questions", type=Path)
    options.add_argument("--docs", type=Path, required=True)
    options.add_argument("--config", type=Path)
    options.add_argument("--adapter", default="base")
    options.add_argument("--limit", type=int, default=20)
    chosen = options.parse_args()
    starts = [seconds_of_help() for _ in range(5)]
    rows = [row for row in read_questions(chosen.questions) if row.answerable][: chosen.limit]
    outcomes = run_trial(
        load_settings_or_defaults(chosen.config), chosen.docs, rows, chosen.adapter, lambda: None
    )
    timings = [outcome.answer.timings for outcome in outcomes if outcome.answer is not None]
    show("lorebot --help", starts)
    show("first text", [timing.first_text for timing in timings])
    show("whole answer", [timing.total for timing in timings])
    show("retrieval alone", [timing.retrieve for timing in timings])


def seconds_of_help() -> float:
    """Seconds that `lorebot --help` takes from start to end."""
    began = time.perf_counter()
    command = [sys.executable, "-c", "from bot.cli import main; main()", "--help"]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def show(label: str, seconds: list[float]) -> None:
    """Print the median and the worst."""
    print(f"{label:18} median {statistics.median(seconds):5.2f} s   worst {max(seconds):5.2f} s")


if __name__ == "__main__":
    main()
