"""What every measured system does, and the steps that are timed; standard library only.

Each system runs in a process of its own: `python -m benchmarks.peers.NAME STEP …` prints one JSON object. The
time of imports and of loading the embedding model is counted for none of them.
"""

from __future__ import annotations

import argparse
import base64
import json
import resource
import statistics
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

LIMIT = 10
WARM_UP = 10


@dataclass(frozen=True)
class Span:
    """A piece of a document: characters `start` to `end` of the file `uri`."""

    uri: str
    start: int
    end: int


@dataclass(frozen=True)
class Passage:
    """A passage with its embedding, for an index that is filled without splitting and embedding."""

    uri: str
    heading: str
    text: str
    vector: Sequence[float]


class System(Protocol):
    """A hybrid search over a folder of Markdown files, kept in a folder of its own."""

    def sync(self, documents: Path) -> None:
        """Bring the index to the state of the folder: new, changed and deleted files."""
        ...

    def fill(self, passages: Iterable[Passage]) -> None:
        """Index these passages as they are."""
        ...

    def open(self) -> None:
        """Make ready to search."""
        ...

    def search(self, question: str) -> list[Span]:
        """The best `LIMIT` passages by both kinds of search, best first."""
        ...

    def spans(self) -> list[Span]:
        """Every passage of the index."""
        ...


def run(make: Callable[[Path, Path], System]) -> None:
    """Do one step and print what it took; `make` gets the state's folder and the model's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("step", choices=["sync", "fill", "search", "rank"])
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--documents", type=Path)
    parser.add_argument("--passages", type=Path)
    parser.add_argument("--questions", type=Path)
    options = parser.parse_args()
    options.state.mkdir(parents=True, exist_ok=True)
    system = make(options.state, options.model)
    if options.step == "sync":
        report = {"seconds": _seconds(lambda: system.sync(options.documents))}
    elif options.step == "fill":
        report = {"seconds": _seconds(lambda: system.fill(_passages(options.passages)))}
    elif options.step == "search":
        report = _searched(system, json.loads(options.questions.read_text("utf-8")))
    else:
        report = _ranked(system, options.documents, json.loads(options.questions.read_text("utf-8")))
    print(json.dumps({**report, "most_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def write_passages(file: Path, passages: Iterable[Passage]) -> None:
    """One JSON object a line, with the embedding as 32-bit floats in base64."""
    with file.open("w", encoding="utf-8") as lines:
        for passage in passages:
            vector = base64.b64encode(array("f", passage.vector).tobytes()).decode()
            lines.write(json.dumps({**asdict(passage), "vector": vector}) + "\n")


def _passages(file: Path) -> Iterable[Passage]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            fields = json.loads(line)
            vector = array("f", base64.b64decode(fields.pop("vector")))
            yield Passage(**fields, vector=vector)


def _searched(system: System, questions: Sequence[str]) -> dict[str, float]:
    opened = _seconds(system.open)
    for question in questions[:WARM_UP]:
        system.search(question)
    taken = []
    for question in questions[WARM_UP:]:
        taken.append(1000 * _seconds(lambda question=question: system.search(question)))
        print(f"{question[:60]:60} {taken[-1]:8.1f} ms", file=sys.stderr)
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    return {
        "open_seconds": opened,
        "p50_ms": cuts[49],
        "p95_ms": cuts[94],
        "p99_ms": cuts[98],
        "resident_mb": _resident_mb(),
    }


def _ranked(system: System, documents: Path, questions: Sequence[str]) -> dict[str, object]:
    system.sync(documents)
    system.open()
    return {
        "spans": [asdict(span) for span in system.spans()],
        "found": [[asdict(span) for span in system.search(question)] for question in questions],
    }


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize() / 2**20
