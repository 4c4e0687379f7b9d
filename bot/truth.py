"""What an adapter's own reply to an example's prompt got right, before the engine repairs anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.dataset import Example
from adapters.evaluation import Paired
from bot.citations import parse_markers
from bot.facts import Fact, hard_facts, missing_facts

# A name that an answer brings may be a voice's colour or be left out for "it"; what was asked for is checked.
_EXACT = frozenset({"amount", "time", "date", "code", "address"})


@dataclass(frozen=True, slots=True)
class Judged:
    """The measures of one reply by name, 0 or 1 each where they apply, and what is wrong in words."""

    measures: dict[str, float]
    faults: tuple[str, ...]


def judge(example: Example, reply: str) -> Judged:
    """Hold a reply against its example, which a person wrote.

    A sentence with a marker answers; a reply without any declines. `answers` and `declines`: as the example
    does. `cites`: only pieces of evidence that the example cites. `adds nothing`: no hard fact that neither
    evidence nor question holds. `brings the facts`: every hard fact of the example's answer that the evidence
    holds and the question does not.
    """
    source = source_of(example)
    known = hard_facts(source)
    said, markers = parse_markers(reply)
    wanted, cited = parse_markers(example.answer)
    foreign = missing_facts(hard_facts(said), known, source)
    measures = {"adds nothing": float(not foreign)}
    faults = [f"{fact} is not in the evidence" for fact in foreign]
    if not example.evidence:
        return Judged(measures, tuple(faults))
    if not cited:
        measures["declines"] = float(not markers)
        return Judged(measures, (*faults, *(["answers what the evidence does not hold"] if markers else [])))
    measures["answers"] = float(bool(markers))
    measures["cites"] = float(bool(markers) and set(markers) <= set(cited))
    if not markers:
        faults.append("cites nothing")
    elif not measures["cites"]:
        faults.append(f"cites {_listed(markers)} instead of {_listed(cited)}")
    asked_for = _asked_for(wanted, example, known, source)
    if asked_for:
        lost = missing_facts(asked_for, hard_facts(said), said)
        measures["brings the facts"] = float(not lost)
        faults += [f"{fact} is missing" for fact in lost]
    return Judged(measures, tuple(faults))


def paired(candidate: Sequence[dict[str, float]], parent: Sequence[dict[str, float]]) -> tuple[Paired, ...]:
    """The measures of two speakers, each over the questions on which both have it."""
    names = dict.fromkeys(name for row in candidate for name in row)
    found = []
    for name in names:
        both = [
            (now[name], before[name])
            for now, before in zip(candidate, parent, strict=True)
            if name in now and name in before
        ]
        if both:
            found.append(Paired(name, tuple(now for now, _ in both), tuple(before for _, before in both)))
    return tuple(found)


def source_of(example: Example) -> str:
    """All that stands in an example's prompt: its evidence with contexts, and the question."""
    lines = [f"{context}: {text}" if context else text for context, text in example.evidence]
    return "\n".join((*lines, example.question))


def _asked_for(wanted: str, example: Example, known: frozenset[Fact], source: str) -> frozenset[Fact]:
    facts = frozenset(fact for fact in hard_facts(wanted) if fact.kind in _EXACT)
    foreign = set(missing_facts(facts, known, source))
    question = hard_facts(example.question)
    return frozenset(facts - foreign - set(question))


def _listed(markers: Sequence[int]) -> str:
    return ", ".join(f"[{marker}]" for marker in markers)
