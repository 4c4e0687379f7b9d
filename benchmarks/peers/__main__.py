"""Runs the same steps with Lorebot and its peers, each in processes of its own, and prints how they compare.

    python -m benchmarks.peers quality ../shared/eval/xquad-a ../shared/eval/long-documents \\
        --work /tmp/peers --peers-python /tmp/peers/venv/bin/python

README.md says how to make the peers' environment and what each step measures.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.peers.relevance import QuestionSet
from benchmarks.peers.system import WARM_UP, Passage, Span, write_passages
from benchmarks.recombined import Recombiner, derived_vectors, write_documents
from benchmarks.scale import SECTIONS, WORDS, model_folder, questions
from knowledge.embedding import Embedding, load_embedder

OURS = "lorebot"
SYSTEMS = (OURS, "llamaindex", "langchain")
_CHANGED = (10, 100, 1000)
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "passive",
}

Report = dict[str, Any]


class Bench:
    """Runs steps of the systems, whose indexes it keeps by name in a folder of work."""

    def __init__(self, work: Path, model: Path, peers_python: Path, systems: Sequence[str]) -> None:
        self.work = work
        self.systems = systems
        self._model = model
        self._peers_python = peers_python

    def step(self, step: str, index: str, system: str, **paths: Path) -> Report:
        """One step of one system."""
        python = sys.executable if system == OURS else self._peers_python
        command = [python, "-m", f"benchmarks.peers.with_{system}", step, "--model", self._model]
        command += ["--state", self.work / system / index]
        for name, path in paths.items():
            command += [f"--{name}", path]
        done = subprocess.run(command, env={**os.environ, **_OFFLINE}, stdout=subprocess.PIPE, check=True)
        report: Report = json.loads(done.stdout.splitlines()[-1])
        return report

    def each(self, step: str, index: str, **paths: Path) -> dict[str, Report]:
        """One step of every system, one after the other."""
        return {system: self.step(step, index, system, **paths) for system in self.systems}

    def remove(self, index: str) -> None:
        """Forget the indexes of this name."""
        for system in self.systems:
            shutil.rmtree(self.work / system / index, ignore_errors=True)

    def lack(self, index: str) -> list[str]:
        """The systems that have no index of this name yet."""
        return [system for system in self.systems if not (self.work / system / index).exists()]


def first_index(bench: Bench, sets: Sequence[Path], documents: int) -> None:
    """So many documents of three sections of about 120 words, from nothing."""
    folder = bench.work / f"documents-{documents}-first"
    write_documents(_recombiner(sets), folder, range(documents), sections=3, words=120)
    bench.remove("first")
    reports = bench.each("sync", "first", documents=folder)
    show(f"first index of {documents} documents, s", reports, "seconds")
    show("  memory at most, MB", reports, "most_mb")


def changes(bench: Bench, sets: Sequence[Path], documents: int) -> None:
    """Sync so many short documents again: with nothing changed, and with more and more of them changed."""
    folder, index = bench.work / f"documents-{documents}", f"sync-{documents}"
    write_documents(_recombiner(sets), folder, range(documents), sections=1, words=60)
    made = {system: bench.step("sync", index, system, documents=folder) for system in bench.lack(index)}
    show(f"first index of {documents} short documents, s", made, "seconds")
    show("  nothing changed, s", bench.each("sync", index, documents=folder), "seconds")
    for number in _CHANGED:
        if number <= documents / 2:
            for file in sorted(folder.iterdir())[: 2 * number : 2]:
                file.write_text(file.read_text("utf-8") + "\nRevised once more.\n", encoding="utf-8")
            show(f"  {number} changed, s", bench.each("sync", index, documents=folder), "seconds")


def search(bench: Bench, sets: Sequence[Path], passages: int, asked: int) -> None:
    """Hybrid search, the question's embedding included, over passages whose embeddings are derived."""
    index, file = f"search-{passages}", bench.work / f"passages-{passages}.jsonl"
    missing = bench.lack(index)
    if missing and not file.exists():
        embedder = load_embedder(model_folder(), bench.work / OURS / "models")
        write_passages(file, _derived(_recombiner(sets), embedder, passages))
    for system in missing:
        bench.step("fill", index, system, passages=file)
    chosen = bench.work / "questions.json"
    chosen.write_text(json.dumps(questions(sets, asked + WARM_UP)), encoding="utf-8")
    reports = bench.each("search", index, questions=chosen)
    for measure in ("open_seconds", "p50_ms", "p95_ms", "p99_ms", "resident_mb"):
        show(f"{passages} passages, {measure}", reports, measure)


def quality(bench: Bench, sets: Sequence[Path]) -> None:
    """ndcg@10 of the hybrid search on each set."""
    for path in sets:
        asked, chosen = QuestionSet(path), bench.work / "questions.json"
        chosen.write_text(json.dumps([question.question for question in asked.asked]), encoding="utf-8")
        bench.remove(f"rank-{asked.name}")
        reports = bench.each("rank", f"rank-{asked.name}", documents=asked.documents, questions=chosen)
        for report in reports.values():
            spans = [Span(**span) for span in report["spans"]]
            report["ndcg"] = asked.ndcg([[Span(**s) for s in ranked] for ranked in report["found"]], spans)
            report["passages"] = len(spans)
        show(f"{asked.name}, ndcg@10", reports, "ndcg")
        show(f"{asked.name}, passages", reports, "passages")


def show(label: str, reports: Mapping[str, Report], measure: str) -> None:
    """Print one measure of each system, the peers' also as a multiple of ours."""
    cells = []
    for system, report in reports.items():
        value, ours = report[measure], reports.get(OURS, {}).get(measure)
        ratio = f" ({value / ours:.2f} x)" if ours and system != OURS else ""
        cells.append(f"{system} {value:.4g}{ratio}")
    if cells:
        print(f"{label:44} " + "   ".join(f"{cell:26}" for cell in cells), flush=True)


def _recombiner(sets: Sequence[Path]) -> Recombiner:
    return Recombiner([path / "docs" for path in sets])


def _derived(recombiner: Recombiner, embedder: Embedding, passages: int) -> Iterator[Passage]:
    sentences = embedder.embed(recombiner.sentences)
    for number in range(passages // SECTIONS):
        document = recombiner.document(number, SECTIONS, WORDS)
        vectors = derived_vectors(document, sentences)
        for section, vector in zip(document.sections, vectors, strict=True):
            yield Passage(document.title, section.heading, recombiner.text(section), vector.tolist())


def main() -> None:
    """Run the chosen step and print one line a measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("measure", choices=["index", "sync", "search", "quality"])
    parser.add_argument("sets", type=Path, nargs="+", help="folders with docs/ and questions.jsonl")
    parser.add_argument("--work", type=Path, required=True, help="where indexes are kept between runs")
    parser.add_argument("--peers-python", type=Path, required=True, help="of the peers' own environment")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=100)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    bench = Bench(options.work, model_folder(), options.peers_python, options.systems)
    run = {
        "index": partial(first_index, documents=options.documents),
        "sync": partial(changes, documents=options.documents),
        "search": partial(search, passages=options.passages, asked=options.questions),
        "quality": quality,
    }
    run[options.measure](bench, options.sets)


if __name__ == "__main__":
    main()
