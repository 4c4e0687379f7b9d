"""How the skill of `grounded` grows with examples and with rank: adapters trained on parts of them, measured.

    python -m benchmarks.grounded_curve FOLDER [--rows 250 500] [--ranks 4 16] [--limit 200]

FOLDER is what `benchmarks.grounded_examples` wrote. Smaller parts lie within the larger ones; every adapter
starts from the base model and makes two passes over its examples, as `grounded` did. A quarter of a thousand
examples take a quarter of an hour on one core; an interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from itertools import islice
from pathlib import Path


def main() -> None:
    """Train each adapter in a home of its own beside the examples, then print a line of figures for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, nargs="*", default=[250, 500])
    parser.add_argument("--ranks", type=int, nargs="*", default=[16])
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--limit", type=int, default=200)
    options = parser.parse_args()
    home = options.folder / "curve"
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "lorebot.toml"
    settings.write_text('home = "."\n', encoding="utf-8")
    lorebot = ["-c", "from bot.cli import main; main()", "--config", str(settings)]
    names = []
    for rank in options.ranks:
        for count in options.rows:
            names.append(f"rank{rank}-{count}")
            if (home / "adapters" / names[-1] / "1").is_dir():
                continue
            part = home / f"{count}.jsonl"
            with (options.folder / "training.jsonl").open(encoding="utf-8") as lines:
                part.write_text("".join(islice(lines, count)), encoding="utf-8")
            begin = ["adapters", "train", names[-1], "--version", "1", "--from", "base"]
            taught = ["--examples", str(part), "--epochs", str(options.epochs), "--leave-out-faulty"]
            size = ["--rank", str(rank), "--alpha", str(2 * rank)]
            _run([*lorebot, *begin, *taught, *size, "--skip-evaluation"])
    held_out = str(options.folder / "held-out.jsonl")
    measured = ["base", *names, "grounded"]
    limits = ["--limit", str(options.limit), "--config", str(settings)]
    _run(["-m", "benchmarks.grounded", held_out, *measured, *limits])


def _run(arguments: list[str]) -> None:
    subprocess.run([sys.executable, *arguments], check=True)


if __name__ == "__main__":
    main()
