"""Which number format this machine runs a model in more quickly: measured once, then remembered."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from adapters.base_model import PreparedBase, load_weights
from adapters.decoding import greedy_tokens
from adapters.files import replace_file

PROMPT_TOKENS = 128
NEW_TOKENS = 12
ROUNDS = 3
BUDGET_SECONDS = 8.0


def quicker_precision(prepared: PreparedBase) -> Literal["float32", "bfloat16"]:
    """The precision in which a short answer takes less time on this processor and thread count.

    The answer is a prompt of 128 tokens and 12 new ones; the best of three counts. The finding is kept in
    `precision.json` in the model's cache until processor, threads or torch change. Where three rounds take
    more than 8 seconds, something else keeps the machine busy: the best so far is used and not kept.
    """
    import torch

    machine = this_machine()
    memory = prepared.cache / "precision.json"
    with FileLock(prepared.cache / ".precision.lock"):
        known = _read(memory)
        if known.get("machine") != machine:
            models = {name: load_weights(prepared, getattr(torch, name)) for name in ("bfloat16", "float32")}
            seconds, complete = _best_seconds(models)
            known = {"dtype": min(seconds, key=seconds.__getitem__), "seconds": seconds, "machine": machine}
            if complete:
                replace_file(memory, json.dumps(known, indent=2))
    return "float32" if known.get("dtype") == "float32" else "bfloat16"


def this_machine() -> dict[str, str | int]:
    """What a measurement holds for."""
    import torch

    return {
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
    }


def _best_seconds(models: dict[str, Any]) -> tuple[dict[str, float], bool]:
    """The least seconds of each model, in turns under one load; and whether time sufficed."""
    best = dict.fromkeys(models, float("inf"))
    started = time.monotonic()
    for _ in range(ROUNDS):
        for name, model in models.items():
            best[name] = min(best[name], _answer_seconds(model))
        if time.monotonic() - started > BUDGET_SECONDS:
            return best, False
    return best, True


def _answer_seconds(model: Any) -> float:
    prompt = [token % model.config.vocab_size for token in range(PROMPT_TOKENS)]
    started = time.perf_counter()
    for _ in greedy_tokens(model, prompt, NEW_TOKENS, ends=frozenset()):
        pass
    return time.perf_counter() - started


def _read(memory: Path) -> dict[str, Any]:
    try:
        value = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
