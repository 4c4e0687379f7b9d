"""Measures retrieval and answers on a set of questions with known passages and answers.

Ranked metrics come from ir-measures (MacAvaney et al., 2022, https://ir-measur.es). A passage is relevant
when a row names its file, or its file and one of the headings above it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from statistics import fmean
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bot.history import Exchange
from connectors.conversation import Answer, Citation, Turn
from knowledge.documents import FoundPassage

DEPTH = 10
EVIDENCE_DEPTH = 5
MIN_SHARED = 20


class EvaluationError(Exception):
    """The question file cannot be used; the message names the line and the fix."""


class QuestionRow(BaseModel):
    """One line of a question file."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    question: str
    answerable: bool = True
    relevant: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    kind: Literal["knowledge", "smalltalk"] = "knowledge"
    history: tuple[Exchange, ...] = ()

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The conversation so far in the connectors' vocabulary."""
        return tuple(Turn(turn.question, turn.answer) for turn in self.history)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What retrieval found for one row, and what the engine answered (None when only retrieval ran)."""

    row: QuestionRow
    passages: tuple[FoundPassage, ...]
    answer: Answer | None


def read_questions(path: Path, limit: int | None = None) -> list[QuestionRow]:
    """Read a question file; with `limit`, that many rows spread evenly over it.

    Raises `EvaluationError`.
    """
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(QuestionRow.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the line"
            raise EvaluationError(f"{path}, line {number}: {where}: {first['msg']}") from error
    if not rows:
        raise EvaluationError(f"{path} holds no questions; write one JSON object a line")
    if limit is not None and limit < len(rows):
        rows = [rows[index * len(rows) // limit] for index in range(limit)]
    return rows


def meets(entry: str, passage: FoundPassage | Citation) -> bool:
    """Whether a passage is what a relevant entry names: `file`, or `file#heading`.

    The heading may be any of those above the passage; the document's title is the heading of its beginning.
    """
    file, mark, wanted = entry.partition("#")
    heading = passage.heading or passage.title
    return passage.uri == file and (not mark or wanted in {heading, *heading.split(" > ")})


def measure(outcomes: Sequence[Outcome]) -> dict[str, float | int | None]:
    """Compute every metric over the outcomes; None where the set cannot give it.

    citation_precision and citation_recall are means over the answered questions that have an answer:
    cited passages that are relevant, and relevant entries that are cited.
    """
    asked = [outcome for outcome in outcomes if outcome.row.kind != "smalltalk"]
    answerable = [o for o in asked if o.row.answerable]
    answered = [(o, o.answer) for o in answerable if o.answer is not None and not o.answer.abstained]
    replies = [(o, o.answer) for o in outcomes if o.answer is not None]
    informed = [answer for _, answer in replies if answer.route == "knowledge"]
    precise = [_citation_precision(o.row, answer) for o, answer in answered if o.row.relevant]
    recalled = [_citation_recall(o.row, answer) for o, answer in answered if o.row.relevant]
    return {
        **_ranked([o for o in answerable if o.row.relevant]),
        "evidence_recall@5": _mean(_evidence_recall(o) for o in answerable if o.row.evidence),
        "answer_match": _mean(
            _matches(o.row, o.answer) for o in answerable if o.row.answers and o.answer is not None
        ),
        "citation_precision": _mean(precise),
        "citation_recall": _mean(recalled),
        "answered_when_answerable": _mean(
            float(o.answer.route == "knowledge") for o in answerable if o.answer is not None
        ),
        "abstained_when_unanswerable": _mean(
            float(o.answer.abstained) for o in asked if not o.row.answerable and o.answer is not None
        ),
        "route_accuracy": _mean(
            float((o.row.kind == "smalltalk") == (answer.route == "smalltalk")) for o, answer in replies
        ),
        "unsupported_sentences": _unsupported(informed) if replies else None,
        "quoted_share": _mean(
            float(any(s.action == "quoted" for s in a.sentences))
            for _, a in replies
            if a.route == "knowledge"
        ),
        "words_per_answer": _median([len(a.text.split()) for _, a in replies if a.route == "knowledge"]),
        "seconds_per_answer": _mean(answer.timings.total for _, answer in replies),
        "questions": len(outcomes),
    }


def _ranked(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    import ir_measures
    from ir_measures import RR, R, nDCG

    names = {"recall@1": R @ 1, "recall@5": R @ 5, "recall@10": R @ DEPTH, "mrr@10": RR @ DEPTH}
    names |= {"ndcg@10": nDCG @ DEPTH}
    if not outcomes:
        return dict.fromkeys(names)
    qrels, run = [], []
    for number, outcome in enumerate(outcomes):
        query = str(number)
        qrels += [ir_measures.Qrel(query, entry, 1) for entry in outcome.row.relevant]
        run += [
            ir_measures.ScoredDoc(query, name, -float(rank))
            for rank, name in enumerate(_entries_found(outcome), start=1)
        ]
    values = ir_measures.calc_aggregate(list(names.values()), qrels, run)
    return {name: float(values[metric]) for name, metric in names.items()}


def _entries_found(outcome: Outcome) -> list[str]:
    """Name each passage by the relevant entry it meets first, or by its rank when it meets none anew."""
    left = list(outcome.row.relevant)
    names = []
    for rank, passage in enumerate(outcome.passages[:DEPTH], start=1):
        met = next((entry for entry in left if meets(entry, passage)), None)
        if met is not None:
            left.remove(met)
        names.append(met or f"passage {rank}")
    return names


def _evidence_recall(outcome: Outcome) -> float:
    texts = [" ".join(passage.text.split()) for passage in outcome.passages[:EVIDENCE_DEPTH]]
    covered = total = 0
    for evidence in outcome.row.evidence:
        wanted = " ".join(evidence.split())
        total += len(wanted)
        covered += _covered_characters(wanted, texts)
    return covered / total if total else 0.0


def _covered_characters(wanted: str, texts: Iterable[str]) -> int:
    inside = [False] * len(wanted)
    for text in texts:
        if wanted in text:
            return len(wanted)
        for block in SequenceMatcher(None, wanted, text, autojunk=False).get_matching_blocks():
            if block.size >= MIN_SHARED:
                inside[block.a : block.a + block.size] = [True] * block.size
    return sum(inside)


def _matches(row: QuestionRow, answer: Answer) -> float:
    said = answer.text.casefold()
    return float(any(expected.casefold() in said for expected in row.answers))


def _citation_precision(row: QuestionRow, answer: Answer) -> float:
    if not answer.citations:
        return 0.0
    return fmean(float(any(meets(entry, cited) for entry in row.relevant)) for cited in answer.citations)


def _citation_recall(row: QuestionRow, answer: Answer) -> float:
    return fmean(float(any(meets(entry, cited) for cited in answer.citations)) for entry in row.relevant)


def _unsupported(answers: Sequence[Answer]) -> int:
    """Count sentences that say something of the documents without a citation."""
    return sum(
        sentence.action not in ("dropped", "noted") and not sentence.markers
        for answer in answers
        for sentence in answer.sentences
    )


def _is_quoted(answer: Answer) -> bool:
    return any(sentence.action == "quoted" for sentence in answer.sentences)


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return fmean(listed) if listed else None


def _median(values: Sequence[float]) -> float | None:
    from statistics import median

    return float(median(values)) if values else None


def as_json(metrics: dict[str, float | int | None]) -> str:
    """The metrics as JSON, rounded to four digits."""
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in metrics.items()}
    return json.dumps(rounded, indent=2)
