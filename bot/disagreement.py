"""Pieces of evidence that answer differently: which one holds, and what is said of the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

from bot.difference import difference
from bot.evidence import Evidence
from bot.facts import hard_facts, missing_facts
from bot.grounding import lexical_precision
from bot.precedence import date_of, newer, no_longer_holds
from bot.statements import statements
from bot.titles import plain_title
from knowledge.supersession import asks_for_the_past

_SAID_SHARE = 0.6
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two pieces that answer differently, each with what it says in its own words.

    `held` is the newer one where `ordered`, else the better match.
    """

    held: Evidence
    held_value: str
    other: Evidence
    other_value: str
    ordered: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """Evidence of which no two pieces are known to disagree, and what an answer should name beside it."""

    evidence: tuple[Evidence, ...]
    disagreements: tuple[Disagreement, ...]


def settle(question: str, evidence: Sequence[Evidence]) -> Settled:
    """Keep of pieces that disagree the newer one, in the better place of the two.

    Without dates that tell, the better match is kept. A question about the past keeps everything. A document
    that says of itself that it no longer holds gives way without being named.
    """
    kept = list(evidence)
    found: list[Disagreement] = []
    while (disagreement := next(_disagreements(question, kept), None)) is not None:
        found.append(disagreement)
        kept = _without_the_other(disagreement, kept)
    places = {_place(piece) for piece in kept}
    named = [d for d in found if _place(d.held) in places and not no_longer_holds(d.other)]
    return Settled(tuple(kept), tuple(named))


def note(disagreement: Disagreement) -> str:
    """Return the sentence that names the other document, what it says, and both dates."""
    held, other = disagreement.held, disagreement.other
    if disagreement.ordered:
        when = date_of(held, other)
        newer_one = _title(held) if when in _title(held) else f"of {when}"
        return (
            f"An older document says {disagreement.other_value} ({_with_date(other, held)}); "
            f"the newer one is {newer_one}."
        )
    return (
        f"The documents disagree: {disagreement.held_value} ({_with_date(held, other)}) "
        f"or {disagreement.other_value} ({_with_date(other, held)})."
    )


def is_stated(disagreement: Disagreement, text: str) -> bool:
    """Whether an answer's text states what the kept piece says, so that the other is worth naming."""
    value = disagreement.held_value
    missing = missing_facts(hard_facts(value), hard_facts(text), text)
    return not missing and lexical_precision(value, text) >= _SAID_SHARE


def _disagreements(question: str, evidence: Sequence[Evidence]) -> Iterator[Disagreement]:
    stated = [statements(piece) for piece in evidence]
    for (first, ours), (second, theirs) in combinations(zip(evidence, stated, strict=True), 2):
        if _document(first) == _document(second) or _asks_for_a_year(question, first, second):
            continue
        values = [found for pair in product(ours, theirs) if (found := difference(question, *pair))]
        # Rows that differ in several columns are rows of different things.
        if len(values) == 1:
            yield _ordered(first, second, *values[0])


def _ordered(first: Evidence, second: Evidence, first_value: str, second_value: str) -> Disagreement:
    order = newer(first, second)
    if order >= 0:
        return Disagreement(first, first_value, second, second_value, bool(order))
    return Disagreement(second, second_value, first, first_value, True)


def _asks_for_a_year(question: str, *pieces: Evidence) -> bool:
    years = _YEAR.findall(" ".join(f"{piece.passage.title} {piece.passage.heading}" for piece in pieces))
    return asks_for_the_past(question, " ".join(years))


def _without_the_other(disagreement: Disagreement, evidence: Sequence[Evidence]) -> list[Evidence]:
    """The evidence without the other piece and whatever else its document says of that value."""
    held, other = disagreement.held, disagreement.other
    stale = hard_facts(disagreement.other_value) - hard_facts(held.text)
    kept = [
        replace(piece, score=max(held.score, other.score)) if piece is held else piece
        for piece in evidence
        if piece is not other
        and not (_document(piece) == _document(other) and stale and stale <= hard_facts(piece.text))
    ]
    return sorted(kept, key=lambda piece: -piece.score)


def _document(piece: Evidence) -> tuple[str, str]:
    return piece.passage.source, piece.passage.uri


def _place(piece: Evidence) -> tuple[int, int, str]:
    return piece.passage.passage_id, piece.start, piece.text


def _with_date(piece: Evidence, beside: Evidence) -> str:
    title, when = _title(piece), date_of(piece, beside)
    return title if when in title else f"{title}, {when}"


def _title(piece: Evidence) -> str:
    return plain_title(piece.passage.title)
