"""How well the bot tells questions that its passages answer from those that they do not, on three sets.

    python -m benchmarks.answerability ../shared/eval [--fit]

From each set come questions with their passages ("kept"), without the passages that answer them ("gone"),
and with passages of other documents alone ("foreign"); the conversations also have questions that people
found unanswerable. Half 0 (of documents, or of conversations) is for fitting the weights, half 1 for
the threshold and the report.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmarks.evidence import Documents, Remembering, Row, packaged_model, read, read_documents
from benchmarks.retrieval import READER, Corpus, conversations, index
from bot.answerability import ANSWERABLE, INTERCEPT, WEIGHTS, features
from bot.evidence import EvidenceSelector
from knowledge.catalog import Catalog
from knowledge.chunking import Chunker
from knowledge.documents import FoundPassage
from knowledge.embedding import Embedding, load_embedder
from knowledge.search import Search
from knowledge.terms import content_stems
from knowledge.vectors import ExactVectors

PASSAGES = 8
FOUND = 80
THRESHOLDS = (0.15, ANSWERABLE, 0.30, 0.40, 0.50)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """Features of one question put to some passages; `kind` is kept, gone, foreign or unanswerable."""

    set: str
    kind: str
    half: int
    features: tuple[float, ...]


@dataclass(frozen=True)
class Bench:
    """What every set needs: the models, kept between sets."""

    embedder: Embedding
    chunker: Chunker
    embed: Remembering

    @contextmanager
    def search(self, documents: Documents) -> Iterator[Search]:
        with tempfile.TemporaryDirectory() as folder, Catalog(Path(folder) / "catalog.sqlite") as catalog:
            index(Corpus("set", documents, ()), catalog, self.chunker, self.embedder)
            yield Search(catalog, ExactVectors(catalog, self.embedder.identity), self.embedder)

    def case(
        self, search: Search, name: str, kind: str, half: int, question: str, passages: Sequence[FoundPassage]
    ) -> Iterator[Case]:
        weights = search.term_weights(question)
        read_passages = passages[:PASSAGES]
        chosen = EvidenceSelector(self.embed).select(question, read_passages, weights)
        if chosen:
            yield Case(name, kind, half, features(question, chosen, read_passages, weights))


def encyclopaedia(bench: Bench, folder: Path) -> Iterator[Case]:
    documents, rows = read(folder, bench.chunker)
    with bench.search(documents) as search:
        for row in rows:
            own = row.place.partition("#")[0]
            found = search.find(row.question, READER, FOUND)
            gone = [passage for passage in found if not holds(row, passage)]
            foreign = [passage for passage in found if passage.uri != own]
            for kind, passages in (("kept", found), ("gone", gone), ("foreign", foreign)):
                yield from bench.case(search, folder.name, kind, row.half, row.question, passages)


def holds(row: Row, passage: FoundPassage) -> bool:
    """Whether a passage has the answer; a short answer stands in many that do not mean it."""
    same = passage.uri == row.place.partition("#")[0]
    long = any(len(answer) > 4 for answer in row.answers)
    return row.is_gold(passage) or (same and long and row.answered_by(passage.text))


def long_documents(bench: Bench, folder: Path) -> Iterator[Case]:
    documents = read_documents(folder, bench.chunker)
    order = {uri: number for number, uri in enumerate(documents)}
    rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text("utf-8").splitlines()]
    with bench.search(documents) as search:
        for row in rows:
            own = row["relevant"][0]
            beginnings = [plain(sentence)[:60] for sentence in row["evidence"]]
            found = search.find(row["question"], READER, FOUND)
            holding = {p.passage_id for p in found if any(text in plain(p.text) for text in beginnings)}
            gone = [passage for passage in found if passage.passage_id not in holding]
            foreign = [passage for passage in found if passage.uri != own]
            kinds: list[tuple[str, Sequence[FoundPassage]]] = [("gone", gone), ("foreign", foreign)]
            if any(passage.passage_id in holding for passage in found[:PASSAGES]):
                kinds.append(("kept", found))
            for kind, passages in kinds:
                yield from bench.case(search, folder.name, kind, order[own] % 2, row["question"], passages)


def conversation_turns(bench: Bench, file: Path) -> Iterator[Case]:
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    collection = {plain(text): row["collection"] for row in rows for text in row["passages"]}
    with bench.search(conversations(file).documents) as search:
        for row in rows:
            question = [turn["text"] for turn in row["turns"] if turn["speaker"] == "user"][-1]
            if len(content_stems(question)) < 3:
                continue
            half = hashlib.sha256(row["id"].encode()).digest()[0] % 2
            own = {plain(text) for text in row["passages"]}
            found = search.find(question, READER, FOUND)
            kinds: list[tuple[str, Sequence[FoundPassage]]] = []
            if row["answerability"] == ["UNANSWERABLE"]:
                kinds.append(("unanswerable", found))
            elif row["answerability"] == ["ANSWERABLE"]:
                kinds.append(("gone", [p for p in found if plain(p.text) not in own]))
                kinds.append(
                    ("foreign", [p for p in found if collection.get(plain(p.text)) != row["collection"]])
                )
                if any(plain(passage.text) in own for passage in found[:PASSAGES]):
                    kinds.append(("kept", found))
            for kind, passages in kinds:
                yield from bench.case(search, file.stem, kind, half, question, passages)


def plain(text: str) -> str:
    return " ".join(text.split()).lower()


def fit(cases: Sequence[Case]) -> Floats:
    """Logistic regression; every set weighs the same, as do kept questions and others; intercept first."""
    used = [case for case in cases if case.half == 0 and case.kind != "unanswerable"]
    sizes = Counter((case.set, case.kind) for case in used)
    share = {"kept": 0.5, "gone": 0.3, "foreign": 0.2}
    matrix = np.array([[1.0, *case.features] for case in used])
    sign = np.array([1.0 if case.kind == "kept" else -1.0 for case in used])
    weight = np.array([share[case.kind] / sizes[case.set, case.kind] for case in used])
    weight /= weight.sum()
    penalty = np.array([0.0, *[5e-4] * len(WEIGHTS)])

    def loss(w: Floats) -> tuple[float, Floats]:
        margin = sign * (matrix @ w)
        pull = weight * sign / (1 + np.exp(margin))
        value = float(weight @ np.logaddexp(0, -margin) + penalty @ w**2)
        return value, np.asarray(-pull @ matrix + 2 * penalty * w)

    return np.asarray(minimize(loss, np.zeros(matrix.shape[1]), jac=True, method="L-BFGS-B").x)


def threshold(cases: Sequence[Case], answered: float = 0.9) -> float:
    """The highest threshold at which, on average over the sets, that share of kept questions is answered.

    It is chosen on half 1, where the weights are not too sure of themselves; so of half 1's numbers the share
    of kept questions that are answered is no forecast, and the areas under the curve are.
    """
    by_set: dict[str, list[float]] = {}
    for case in cases:
        if case.half == 1 and case.kind == "kept":
            by_set.setdefault(case.set, []).append(INTERCEPT + float(np.dot(WEIGHTS, case.features)))
    shares = [
        (t, np.mean([np.mean(1 / (1 + np.exp(-np.array(logits))) >= t) for logits in by_set.values()]))
        for t in np.arange(0.01, 1.0, 0.01)
    ]
    return float(max(t for t, share in shares if share >= answered))


def report(cases: Sequence[Case]) -> None:
    held_out = [case for case in cases if case.half == 1]
    probability: dict[tuple[str, str], Floats] = {}
    for key in sorted({(case.set, case.kind) for case in held_out}):
        logits = [
            INTERCEPT + np.dot(WEIGHTS, case.features) for case in held_out if (case.set, case.kind) == key
        ]
        probability[key] = 1 / (1 + np.exp(-np.array(logits)))
    for (name, kind), values in probability.items():
        answered = "  ".join(f"{t:.2f}: {(values >= t).mean():.2f}" for t in THRESHOLDS)
        against = "" if kind == "kept" else f"AUC {auc(probability[name, 'kept'], values):.3f}"
        print(f"{name:15s} {kind:13s} n={len(values):3d} answered at {answered}  {against}", flush=True)


def auc(positives: Floats, negatives: Floats) -> float:
    difference = positives[:, None] - negatives[None, :]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", type=Path, help="the folder of xquad-a, long-documents and mtrag-a.jsonl")
    parser.add_argument("--model", type=Path, help="an embedding model's folder")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "lorebot-benchmarks")
    parser.add_argument("--fit", action="store_true", help="print the weights anew")
    arguments = parser.parse_args()
    embedder = load_embedder(arguments.model or packaged_model(), arguments.cache)
    bench = Bench(embedder, Chunker(embedder.tokenizer_file, embedder.max_tokens), Remembering(embedder))
    sets: tuple[tuple[str, Callable[[Bench, Path], Iterator[Case]]], ...] = (
        ("xquad-a", encyclopaedia),
        ("long-documents", long_documents),
        ("mtrag-a.jsonl", conversation_turns),
    )
    cases = [case for name, cases_of in sets for case in cases_of(bench, arguments.sets / name)]
    if arguments.fit:
        print("bot/answerability.py INTERCEPT, WEIGHTS", np.round(fit(cases), 2).tolist())
        print(f"bot/answerability.py ANSWERABLE, with the weights it holds now: {threshold(cases):.2f}")
    report(cases)


if __name__ == "__main__":
    main()
