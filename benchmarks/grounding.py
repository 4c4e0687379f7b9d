"""How well lexical support, with and without its objections, agrees with people's labels.

    python -m benchmarks.grounding ../shared/eval/grounding-dev.jsonl

One object a line: `passage`, `response`, and `label` ("Fully attributable" or "Not fully attributable").
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np

from bot.grounding import SUPPORT_THRESHOLD, Support, support

THRESHOLDS = (0.60, 0.65, 0.70, SUPPORT_THRESHOLD, 0.75, 0.80, 0.85)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("labels", type=Path)
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in arguments.labels.read_text("utf-8").splitlines()]
    truth = np.array([row["label"] == "Fully attributable" for row in rows])
    found = [support(row["response"], row["passage"]) for row in rows]
    shares = np.array([one.share for one in found])
    objected = np.array([bool(one.objection) for one in found])
    print(f"{len(rows)} replies, {truth.sum()} of them attributable")
    print(f"AUC: words alone {auc(truth, shares):.3f}, with objections {auc(truth, shares - objected):.3f}")
    for threshold in THRESHOLDS:
        alone = balanced(truth, shares >= threshold)
        both = balanced(truth, (shares >= threshold) & ~objected)
        print(f"threshold {threshold:.2f}: words alone {alone}   with objections {both}")
    print("objections:", objections(found))


def auc(truth: np.ndarray, scores: np.ndarray) -> float:
    right, wrong = scores[truth][:, None], scores[~truth][None, :]
    return float((right > wrong).mean() + 0.5 * (right == wrong).mean())


def balanced(truth: np.ndarray, accepted: np.ndarray) -> str:
    sensitivity, specificity = accepted[truth].mean(), (~accepted)[~truth].mean()
    return f"balanced accuracy {(sensitivity + specificity) / 2:.3f} ({sensitivity:.2f} / {specificity:.2f})"


def objections(found: list[Support]) -> str:
    counts = Counter(one.objection for one in found if one.objection)
    return "; ".join(f"{text}: {count}" for text, count in counts.most_common(6))


if __name__ == "__main__":
    main()
