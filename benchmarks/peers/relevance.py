"""How well a system ranks: ndcg@10 by the places of a file that answer, however it splits the file.

A place is a section (`file#heading`) or a sentence of the evidence, as the questions name them. A passage is
relevant when it shares with one of the places at least half of the shorter of the two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ir_measures
from ir_measures import nDCG

from benchmarks.peers.system import Span

_HEADING = re.compile(r"^#+ +(.*\S)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Asked:
    """A question with the places that answer it."""

    question: str
    places: tuple[Span, ...]


class QuestionSet:
    """The answerable questions of a folder with `docs/` and `questions.jsonl`."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.documents = folder / "docs"
        texts = {file.name: file.read_text("utf-8") for file in sorted(self.documents.iterdir())}
        rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text("utf-8").splitlines()]
        self.asked = [Asked(row["question"], _places(row, texts)) for row in rows if row["answerable"]]

    def ndcg(self, found: Sequence[Sequence[Span]], spans: Sequence[Span]) -> float:
        """The mean ndcg@10 of what was found for each question; `spans` are all passages of the index."""
        qrels = {
            str(number): {str(span): 1 for span in spans if _answers(span, asked.places)}
            for number, asked in enumerate(self.asked)
        }
        run = {
            str(number): {str(span): -float(rank) for rank, span in enumerate(dict.fromkeys(ranked))}
            for number, ranked in enumerate(found)
        }
        return float(ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10])


def _places(row: Mapping[str, Any], texts: Mapping[str, str]) -> tuple[Span, ...]:
    if "evidence" not in row:
        return tuple(_section(entry, texts) for entry in row["relevant"])
    uri = row["relevant"][0]
    starts = [(sentence, texts[uri].find(sentence)) for sentence in row["evidence"]]
    return tuple(Span(uri, start, start + len(sentence)) for sentence, start in starts if start >= 0)


def _section(entry: str, texts: Mapping[str, str]) -> Span:
    uri, _, wanted = entry.partition("#")
    headings = list(_HEADING.finditer(texts[uri]))
    place = next(place for place, heading in enumerate(headings) if heading[1] == wanted)
    ends = [heading.start() for heading in headings[1:]] + [len(texts[uri])]
    return Span(uri, headings[place].start(), ends[place])


def _answers(span: Span, places: Sequence[Span]) -> bool:
    return any(
        span.uri == place.uri
        and 2 * (min(span.end, place.end) - max(span.start, place.start))
        >= min(span.end - span.start, place.end - place.start)
        for place in places
    )
