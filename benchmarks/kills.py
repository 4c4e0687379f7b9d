"""Kills syncs at random moments, every third while an edition is built, and checks the index each time.

    python -m benchmarks.kills --kills 100

After each kill every document must be whole, in its old version or its new one; after the next sync the index
must hold what the documents say, find all of it, and have embedded nothing again beyond the group in hand.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "knowledge"))


def main() -> None:
    """Print one line a kill, and what they come to."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    from killed_syncs import kills

    again = unfinished = 0
    with tempfile.TemporaryDirectory() as scratch:
        for number, kill in enumerate(kills(Path(scratch), chosen.kills, chosen.seed), start=1):
            again += kill.embedded_again
            unfinished += bool(kill.in_hand)
            settings = f"other {kill.settings_changed}" if kill.settings_changed else "same settings"
            print(
                f"{number:4}  {settings:15}  killed after {kill.after_seconds:5.2f} s"
                f"  {kill.embedded:5} passages embedded  {kill.embedded_again:4} embedded again",
                flush=True,
            )
    print(
        f"{chosen.kills} kills, {unfinished} after embedding had begun: nothing lost, no mixture, "
        f"{again} passages embedded again, all of them in hand at the kill"
    )


if __name__ == "__main__":
    main()
