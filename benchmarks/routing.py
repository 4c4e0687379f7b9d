"""How well small talk is told from questions to the documents.

    python -m benchmarks.routing ../shared/eval/smalltalk-dev.jsonl

A row holds `text` and `smalltalk` (bool). The examples in `bot/routing_examples.toml` and the margin were
chosen with an eye on this very file, so another one of the same shape is the fairer test.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bot.assembly import Assembly
from bot.routing import Router
from bot.settings import load_settings_or_defaults


def main() -> None:
    """Print accuracy, and the errors of both kinds."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("utterances", type=Path)
    options.add_argument("--config", type=Path)
    chosen = options.parse_args()
    rows = [json.loads(line) for line in chosen.utterances.read_text(encoding="utf-8").splitlines()]
    assembly = Assembly(load_settings_or_defaults(chosen.config), print)
    router = Router(assembly.embedder.embed, lambda stems: {})
    routed = [(bool(row["smalltalk"]), router.is_smalltalk(row["text"])) for row in rows]
    talk = [said for true, said in routed if true]
    questions = [said for true, said in routed if not true]
    print(f"accuracy {sum(true == said for true, said in routed) / len(routed):.3f} of {len(routed)}")
    print(f"small talk recognised {sum(talk) / max(1, len(talk)):.3f}")
    print(f"questions taken for small talk {sum(questions) / max(1, len(questions)):.3f}")


if __name__ == "__main__":
    main()
