"""What happens to a running Lorebot when something that it needs fails, and how it recovers.

    python -m benchmarks.faults                          every fault, and some together, for a minute each
    python -m benchmarks.faults disk-full --seconds 20   one of them

A real `lorebot serve` with Slack, Discord, a model's server and a journal, all on loopback. While a fault
lasts, somebody asks on both platforms every few seconds for what the documents say; when it is over, somebody
asks on until an answer is right. Faults that need the same are made one after the other in the same
process, which is never started anew. Each question ends in one of four ways: the right answer, another one, a
line that says that there is none, or nothing at all, which is lost.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.faults.kinds import FAULTS, Fault
from benchmarks.faults.measuring import Measured, measure
from benchmarks.faults.scene import MissingError, Stage, scene
from bot.settings import load_settings_or_defaults

_COLUMNS = (
    *("fault", "lasted", "asked meanwhile", "right", "wrong", "told", "lost"),
    *("doubled", "slowest answer", "right again"),
)


def row(measured: Measured) -> str:
    """A row of the table."""
    counts = [len(measured.asked), *(measured.count(fate) for fate in ("right", "wrong", "told", "lost"))]
    slowest = "–" if measured.slowest is None else f"{measured.slowest:.0f} s"
    again = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in sorted(measured.recovered.items()))
    cells = [measured.fault, f"{measured.seconds:.0f} s", *map(str, counts), str(measured.doubled), slowest]
    return "| " + " | ".join([*cells, again or "not within ten minutes"]) + " |"


async def measure_all(
    folder: Path, models: Path, faults: Sequence[Fault], seconds: float, every: float
) -> None:
    """Print a row for each fault, as it comes."""
    print(f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|", sep="\n", flush=True)
    for stage, of_stage in itertools.groupby(faults, lambda fault: fault.stage):
        try:
            await _on_stage(folder / stage, models, stage, list(of_stage), seconds, every)
        except MissingError as missing:
            print(f"faults of the stage {stage} are left out: {missing}", file=sys.stderr)


async def _on_stage(
    folder: Path, models: Path, stage: Stage, faults: Sequence[Fault], seconds: float, every: float
) -> None:
    async with scene(folder, models, stage) as ready:
        for fault in faults:
            measured = await measure(ready, fault, seconds, every)
            print(row(measured), flush=True)
            for line, times in measured.told.most_common(3):
                print(f"  said {times} times: {' '.join(line.split())}", file=sys.stderr)
            if measured.missing:
                print(f"  /readyz missed: {', '.join(measured.missing)}", file=sys.stderr)


def main() -> None:
    """Print the table."""
    names = [fault.name for fault in FAULTS]
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("faults", nargs="*", metavar="NAME", help=f"one of {', '.join(names)}")
    options.add_argument("--seconds", type=float, default=60.0, help="how long each fault lasts")
    options.add_argument("--every", type=float, default=5.0, help="how often somebody asks")
    options.add_argument("--keep", type=Path, help="where the homes and the logs stay")
    given = options.parse_args()
    # Told to end, it ends what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if unknown := set(given.faults) - set(names):
        options.error(f"there is no fault {', '.join(sorted(unknown))}; choose among {', '.join(names)}")
    chosen = [fault for fault in FAULTS if fault.name in (given.faults or names)]
    models = load_settings_or_defaults(None).home / "models"
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)
        folder = given.keep or Path(scratch)
        asyncio.run(measure_all(folder.absolute(), models, chosen, given.seconds, given.every))


if __name__ == "__main__":
    main()
