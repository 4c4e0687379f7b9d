"""The few units of the found passages that bear on a question, ranked best first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.expectation import AnswerKind, expected, offers
from bot.orders import orders_a_model
from bot.units import Unit, UnitKind, units
from knowledge.documents import FoundPassage
from knowledge.terms import content_stems, stems

if TYPE_CHECKING:
    import numpy as np

    Embed = Callable[[Sequence[str]], np.ndarray]

# Coverage, its gain by the lead, its gain by headings, an offer of what is asked for, 1 / passage rank, being
# a question itself, cosine: weights of a listwise softmax regression, which `benchmarks/evidence.py --fit`
# makes again, but for those of headings and questions, which the articles it learns from do not have.
WEIGHTS = (6.0, 2.95, 2.5, 1.5, 2.8, -2.0, 5.25)
_HEADING_SHARE = WEIGHTS[2] / WEIGHTS[0]

_LOCAL_RARITY = 2.0
_MAX_EMBEDDED = 32

# What the model reads: a fourth piece, or one that scores less, brings the answer in 2 of 100 questions more
# and makes every prompt a third longer (`benchmarks/evidence.py`).
MAX_READ = 3
_READ_SHARE = 0.6

_SHARED_STEM = 4
_INEXACT = 0.7


@dataclass(frozen=True, slots=True)
class Evidence:
    """One unit of a passage that bears on the question.

    `passage_rank` counts from 1. `context` is what a reader needs with the text: the heading path, and the
    line it hangs on or the sentence before when the text leans on it. `lead` is that line alone. `coverage`
    is the share of the question's content stems, weighted by their rarity, that stand in the text, its lead
    and (at a discount) its headings; `cosine` is that of question and text; `score` orders the evidence.
    """

    passage: FoundPassage
    passage_rank: int
    text: str
    context: str
    coverage: float
    cosine: float
    score: float
    lead: str = ""
    kind: UnitKind = "sentence"
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit that may become evidence; `features` are those of `WEIGHTS` without the cosine."""

    unit: Unit
    passage: FoundPassage
    rank: int
    features: tuple[float, ...]

    @property
    def heading(self) -> str:
        """The heading path of the passage and then of the unit inside it, without the title."""
        own = [part for part in self.unit.heading.split(" > ") if part]
        above = [part for part in self.passage.heading.split(" > ") if part and part not in own]
        return " > ".join(part for part in (*above, *own) if part != self.passage.title)

    @property
    def lexical_score(self) -> float:
        """The score without the cosine."""
        return sum(weight * value for weight, value in zip(WEIGHTS, self.features, strict=False))

    @property
    def text_to_embed(self) -> str:
        """The unit with the title, the nearest heading and the line it hangs on."""
        above = ": ".join(part for part in (self.passage.title, self.heading.rpartition(" > ")[2]) if part)
        return " ".join(
            part for part in (f"{above}:" if above else "", self.unit.lead, self.unit.text) if part
        )


class EvidenceSelector:
    """Chooses evidence by the question's words, its meaning and the kind of answer it asks for.

    `embed` maps n texts to an (n, d) array of unit-length rows.
    """

    def __init__(self, embed: Embed) -> None:
        self._embed = embed

    def select(
        self,
        question: str,
        passages: Sequence[FoundPassage],
        term_weights: Mapping[str, float],
        limit: int = 4,
    ) -> tuple[Evidence, ...]:
        """Return at most `limit` pieces of evidence, best first; `passages` come in rank order.

        `term_weights` maps stems to their inverse document frequency; a stem it lacks is as rare as can be.
        """
        best = sorted(candidates(question, passages, term_weights), key=lambda c: -c.lexical_score)
        best = best[:_MAX_EMBEDDED]
        if not best:
            return ()
        vectors = self._embed([question, *(candidate.text_to_embed for candidate in best)])
        cosines = (vectors[1:] @ vectors[0]).tolist()
        scored = [_evidence(candidate, cosine) for candidate, cosine in zip(best, cosines, strict=True)]
        return tuple(_distinct(sorted(scored, key=lambda evidence: -evidence.score), limit))


def read_by_model(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Return the pieces that stand in the prompt: of the first few those not far behind the best."""
    return tuple(entry for entry in evidence[:MAX_READ] if entry.score >= _READ_SHARE * evidence[0].score)


def shown(evidence: Sequence[Evidence]) -> list[tuple[str, str]]:
    """Return the evidence as the prompt shows it, (context, text) each; nothing is said twice."""
    texts = {entry.text for entry in evidence}
    return [
        (entry.context.removesuffix(entry.lead).removesuffix(" | "), entry.text)
        if entry.lead in texts
        else (entry.context, entry.text)
        for entry in evidence
    ]


def candidates(
    question: str, passages: Sequence[FoundPassage], term_weights: Mapping[str, float]
) -> list[Candidate]:
    """Return every unit of the passages with its features, in reading order.

    A stem counts by its rarity in the index and, once more, among these units: what every found passage says
    does not tell which of them answers.
    """
    read = [
        (rank, passage, unit, _Words.of(unit, passage))
        for rank, passage in enumerate(passages, start=1)
        for unit in units_for_readers(passage)
    ]
    weights = question_weights(question, term_weights)
    for stem in weights:
        holding = sum(words.hold(stem) for *_, words in read)
        weights[stem] += _LOCAL_RARITY * math.log(1 + (len(read) - holding + 0.5) / (holding + 0.5))
    kind = expected(question)
    found = []
    for rank, passage, unit, words in read:
        own = covered(weights, words.text)
        with_lead = _merged(own, covered(weights, words.lead))
        with_headings = _merged(with_lead, covered(weights, words.headings))
        shares = [coverage(weights, stems_found) for stems_found in (own, with_lead, with_headings)]
        features = (
            shares[0],
            shares[1] - shares[0],
            shares[2] - shares[1],
            float(kind is not AnswerKind.OTHER and offers(kind, unit.text, question)),
            1 / rank,
            float(unit.text.endswith("?")),
        )
        found.append(Candidate(unit, passage, rank, features))
    return found


@dataclass(frozen=True, slots=True)
class _Words:
    text: frozenset[str]
    lead: frozenset[str]
    headings: frozenset[str]

    @classmethod
    def of(cls, unit: Unit, passage: FoundPassage) -> _Words:
        headings = f"{passage.title} {passage.heading} {unit.heading}"
        return cls(frozenset(stems(unit.text)), frozenset(stems(unit.lead)), frozenset(stems(headings)))

    def hold(self, stem: str) -> bool:
        return stem in self.text or stem in self.headings


def units_for_readers(passage: FoundPassage) -> list[Unit]:
    """Return the passage's units but those that give orders to a language model.

    The sentences of a paragraph that does go with it; and all of a passage whose title or heading does, or of
    which it cannot be told what gives the orders.
    """
    if not orders_a_model(f"{passage.title}\n{passage.heading}\n{passage.text}"):
        return list(units(passage.text))
    if orders_a_model(passage.title) or orders_a_model(passage.heading):
        return []
    found = units(passage.text)
    paragraphs: dict[int, str] = {}
    for unit in found:
        if unit.kind == "sentence":
            paragraphs[unit.block] = f"{paragraphs.get(unit.block, '')} {unit.text}"
    ordering = {block for block, text in paragraphs.items() if orders_a_model(text)}
    kept = [
        unit
        for unit in found
        if unit.block not in ordering and not orders_a_model(f"{unit.heading}\n{unit.lead}\n{unit.text}")
    ]
    return kept if len(kept) < len(found) else []


def question_weights(question: str, term_weights: Mapping[str, float]) -> dict[str, float]:
    """Return the weight of each content stem of the question; an unknown stem gets the largest known one."""
    unknown = max(term_weights.values(), default=1.0)
    return {stem: term_weights.get(stem, unknown) for stem in content_stems(question)}


def covered(weights: Mapping[str, float], words: Iterable[str]) -> dict[str, float]:
    """Return how well each weighted stem is covered by `words`: 1 when it occurs, less when one like it does.

    Stems are alike when one begins with the other ("invent", "inventor"): Porter's rules miss such pairs.
    """
    known = set(words)
    long = [word for word in known if len(word) >= _SHARED_STEM]
    found: dict[str, float] = {}
    for stem in weights:
        if stem in known:
            found[stem] = 1.0
        elif len(stem) >= _SHARED_STEM and any(w.startswith(stem) or stem.startswith(w) for w in long):
            found[stem] = _INEXACT
    return found


def coverage(weights: Mapping[str, float], found: Mapping[str, float]) -> float:
    """Return the weighted share of the stems that were found, 0 to 1."""
    total = sum(weights.values())
    return sum(weights[stem] * share for stem, share in found.items()) / total if total else 0.0


def _merged(*found: Mapping[str, float]) -> dict[str, float]:
    return {stem: max(words.get(stem, 0.0) for words in found) for words in found for stem in words}


def _evidence(candidate: Candidate, cosine: float) -> Evidence:
    unit = candidate.unit
    own, lead_gain, heading_gain = candidate.features[:3]
    return Evidence(
        passage=candidate.passage,
        passage_rank=candidate.rank,
        text=unit.text,
        context=" | ".join(part for part in (candidate.heading, unit.lead) if part),
        coverage=own + lead_gain + _HEADING_SHARE * heading_gain,
        cosine=cosine,
        score=candidate.lexical_score + WEIGHTS[-1] * cosine,
        lead=unit.lead,
        kind=unit.kind,
        start=unit.start,
        end=unit.end,
    )


def _distinct(ranked: Iterable[Evidence], limit: int) -> list[Evidence]:
    """The best pieces of which none repeats another: a list and its item, one sentence found twice."""
    chosen: list[Evidence] = []
    for evidence in ranked:
        if len(chosen) == limit:
            break
        if not any(_overlaps(evidence, other) for other in chosen):
            chosen.append(evidence)
    return chosen


def _overlaps(first: Evidence, second: Evidence) -> bool:
    if first.text == second.text:
        return True
    same = first.passage.passage_id == second.passage.passage_id
    return (
        same and "list" in (first.kind, second.kind) and first.start < second.end and second.start < first.end
    )
