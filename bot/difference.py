"""Whether two statements give different answers to the same question, decided narrowly.

A false "the documents disagree" costs more trust than silence. So two statements differ only when they are
about the same thing in the same words, one value or yes and no is all that tells them apart, and nothing
limits either: no other product, region or condition, no example, no past, no range that holds the other.
"""

from __future__ import annotations

import re

from bot.expectation import AnswerKind, expected
from bot.facts import Fact, hard_facts
from bot.precedence import no_longer_holds
from bot.statements import Statement, canonical, facts_of
from bot.synonyms import frame
from knowledge.terms import stems

_MIN_SHARED = 2
_MAX_QUOTED_WORDS = 40
_LONGEST_VALUE = 6
_ADDRESSES = frozenset({"address", "phone"})
_ASKS_FOR_AN_ADDRESS = frozenset({AnswerKind.ADDRESS, AnswerKind.PLACE, AnswerKind.MANNER, AnswerKind.NUMBER})
# Units of one dimension in terms of its smallest; a month is a twelfth of a year.
_DIMENSIONS: dict[str, dict[str, float]] = {
    "time": {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "night": 86_400, "week": 604_800,
             "month": 2_629_800, "year": 31_557_600, "decade": 315_576_000},
    "mass": {"g": 1, "kg": 1000, "oz": 28.35, "lb": 453.6},
    "length": {"mm": 1, "cm": 10, "m": 1000, "km": 1e6, "inch": 25.4, "foot": 304.8, "mile": 1_609_344},
    "volume": {"ml": 1, "l": 1000},
    "memory": {"kb": 1, "mb": 1000, "gb": 1e6, "tb": 1e9},
}  # fmt: skip
# How far amounts in different units may lie apart and still be one: thirty days are a month.
_CONVERSION_TOLERANCE = 0.05

_FROM_BEFORE = re.compile(
    r"(?:\b(?:at least|minimum|minimum of|no less than|more than|over|above|from|after|since|starting(?: at)?"
    r"|not before|earliest)|>=?)\W*$",
    re.IGNORECASE,
)
_TO_BEFORE = re.compile(
    r"(?:\b(?:at most|up to|no more than|no later than|maximum|maximum of|less than|under|below|until|till"
    r"|by|before|to)|<=?)\W*$",
    re.IGNORECASE,
)
_FROM_AFTER = re.compile(
    r"\W*(?:\+|(?:or|and) (?:more|above|over|older|later|longer)\b|at least\b)", re.IGNORECASE
)
_TO_AFTER = re.compile(
    r"\W*(?:(?:or|and) (?:less|fewer|below|under|earlier)\b|at most\b|at the latest\b)", re.IGNORECASE
)
_RANGE_BEFORE = re.compile(r"\d\W*(?:to|and|or|through)?\W*$", re.IGNORECASE)
_QUOTED = re.compile(r"[“\"«][^”\"»]{0,300}[”\"»]")
_YEAR = re.compile(r"(?:19|20)\d\d")


def difference(question: str, first: Statement, second: Statement) -> tuple[str, str] | None:
    """Return what each statement says where they differ, in its own words; None where they may both hold."""
    if first.hedged or second.hedged or first.guards != second.guards:
        return None
    if first.starts and second.starts and first.starts != second.starts:
        return None
    people = first.people ^ second.people if expected(question) is AnswerKind.PERSON else frozenset[str]()
    if not _on_one_matter(first, second, frozenset(stems(" ".join(people)))):
        return None
    mine, yours = first.facts - second.facts, second.facts - first.facts
    if first.denies != second.denies:
        return None if mine or yours or people else (_quotation(first), _quotation(second))
    if people:
        names = [*(first.people - second.people)], [*(second.people - first.people)]
        alone = len(names[0]) == len(names[1]) == 1 and not mine and not yours
        return (names[0][0], names[1][0]) if alone else None
    # What the question names itself, or a row's first cell, is what it is about, and not the answer to it.
    if (mine | yours) & (hard_facts(question) | first.subject | second.subject):
        return None
    return _values(question, first.text, second.text, mine, yours) if _exclude(mine, yours) else None


def _on_one_matter(first: Statement, second: Statement, names: frozenset[str]) -> bool:
    mine, yours = first.matter - names, second.matter - names
    apart = (mine - yours - second.around) | (yours - mine - first.around)
    unlike = (first.around ^ second.around) - mine - yours
    if no_longer_holds(first.evidence) or no_longer_holds(second.evidence):
        # The year in the title of a page that no longer holds says when it held.
        unlike = frozenset(word for word in unlike if not _YEAR.fullmatch(word))
    if (apart | unlike) - frame():
        return False
    shared = (mine | first.around) & (yours | second.around) & (mine | yours)
    return len(shared) + len(first.guards) >= _MIN_SHARED and bool(shared - frame())


def _values(
    question: str, first: str, second: str, mine: frozenset[Fact], yours: frozenset[Fact]
) -> tuple[str, str] | None:
    one, two = _wording(first, mine), _wording(second, yours)
    if not one or not two or _bound(first, one) != _bound(second, two):
        return None
    if _is_quoted(first, one) or _is_quoted(second, two):
        return None
    kinds = {fact.kind for fact in mine | yours}
    if kinds & _ADDRESSES and expected(question) not in _ASKS_FOR_AN_ADDRESS:
        return None
    bare = "code" in kinds or any(fact.kind == "amount" and not fact.unit for fact in mine | yours)
    if bare and not _neighbours(first, one) & _neighbours(second, two):
        return None
    return one, two


def _exclude(mine: frozenset[Fact], yours: frozenset[Fact]) -> bool:
    """Whether two sets of facts, each one value or one range, cannot both hold."""
    kinds = {fact.kind for fact in mine}, {fact.kind for fact in yours}
    if not mine or not yours or kinds[0] != kinds[1]:
        return False
    if kinds[0] != {"amount"}:
        return len(mine) == len(yours) == 1
    one, two = _span(mine), _span(yours)
    if one is None or two is None or one[0] != two[0]:
        return False
    units = {fact.unit for fact in mine | yours if fact.unit}
    slack = _CONVERSION_TOLERANCE * max(one[2], two[2]) if len(units) > 1 else 0.0
    return one[1] > two[2] + slack or two[1] > one[2] + slack


def _span(facts: frozenset[Fact]) -> tuple[str, float, float] | None:
    """The dimension and the bounds of one amount or of a range; None for anything else."""
    units = {fact.unit for fact in facts if fact.unit}
    if len(facts) > 2 or len(units) > 1:
        return None
    unit = next(iter(units), "")
    name, sizes = next(((name, sizes) for name, sizes in _DIMENSIONS.items() if unit in sizes), (unit, {}))
    values = sorted(float(fact.value) * sizes.get(unit, 1.0) for fact in facts)
    return name, values[0], values[-1]


def _wording(text: str, facts: frozenset[Fact]) -> str:
    """The shortest run of words that holds the facts, without punctuation at its ends; "" when none does."""
    words = text.split()
    for length in range(1, _LONGEST_VALUE + 1):
        for start in range(len(words) - length + 1):
            run = " ".join(words[start : start + length]).strip(".,;:!?()[]“”\"'*—–")
            if facts <= facts_of(run):
                return run
    return ""


def _bound(text: str, value: str) -> str:
    """Whether the value is a lower bound ("from"), an upper one ("to"), a range's end, or just the value."""
    before, after = _beside(text, value)
    if _RANGE_BEFORE.search(before):
        return f"range to {value}"
    if _FROM_BEFORE.search(before) or _FROM_AFTER.match(after):
        return "from"
    return "to" if _TO_BEFORE.search(before) or _TO_AFTER.match(after) else "is"


def _beside(text: str, value: str) -> tuple[str, str]:
    match = re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text)
    return (text[: match.start()], text[match.end() :]) if match else (text, "")


def _is_quoted(text: str, value: str) -> bool:
    return any(value in quotation for quotation in _QUOTED.findall(text))


def _neighbours(text: str, value: str) -> frozenset[str]:
    """What stands beside a bare number or a code: the thing that is counted or named."""
    before, after = _beside(text, value)
    return canonical(" ".join((*before.split()[-3:], *after.split()[:2])))


def _quotation(statement: Statement) -> str:
    words = statement.text.split()
    return f"“{' '.join(words)}”" if len(words) <= _MAX_QUOTED_WORDS else "otherwise"
