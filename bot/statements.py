"""What a piece of evidence states, in a form in which two can be compared: its matter and its values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from bot.evidence import Evidence
from bot.facts import Fact, hard_facts, is_measure
from bot.precedence import without_dates
from bot.synonyms import contrary, page, same
from connectors.freshness import MONTHS
from knowledge.terms import STOP_WORDS, stem, tokens

_MOST_CELLS = 12
_PHONE = re.compile(r"(?<![\w.,£$€])\+?\(?\d[\d ()/-]{6,18}\d(?![\w.,]\d)")
_PHONE_DIGITS = range(8, 16)
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_NAME = r"[A-Z][\w'’-]+(?: [A-Z][\w'’-]+){1,3}"
_PERSON = re.compile(
    rf"(?:\b(?:by|is|are|to|with|from|contact|ask|call|tell|email)|:) ({_NAME})\b"
    rf"|^({_NAME})(?= (?:is|are|has|must|\w+s)\b)"
)
_CALENDAR = re.compile(
    rf"(?:{'|'.join(MONTHS)})|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|"
    rf"(?:{'|'.join(month[:3] for month in MONTHS if month != 'May')})",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\S*\d\S*")
# Units by their spelling that limit a statement as other words do: "at night", "the second item".
_UNLIKE_UNITS = frozenset(("night", "nights", "second"))
_TIME_UNIT = "(?:minute|hour|day|night|week|month|quarter|year)"
_RATE = re.compile(
    rf"\b(?:per|each|every) (?!cent\b)(\w+)|\ban? ({_TIME_UNIT})\b|/ ?({_TIME_UNIT})s?\b"
    r"|\d\S*(?: \w+)? an? (\w+)",
    re.IGNORECASE,
)
_RATE_WORDS = {"annual": "year", "annually": "year", "yearly": "year", "monthly": "month", "weekly": "week"}
_RATE_WORDS |= {"daily": "day", "hourly": "hour", "nightly": "night", "quarterly": "quarter"}
_NO_CONTENT = STOP_WORDS | _RATE_WORDS.keys() | {"per"}
_SEND_BACK = re.compile(r"\b(?:sends?|sent|give|bring|ship)((?: \w+){0,3}) back\b", re.IGNORECASE)
_STARTING_POINT = re.compile(
    r" (?:from|after|of|since|upon|following)(?: the)?(?: (?:day|date|time|moment) of)?(?: the)?"
    r" (delivery|purchase|receipt|arrival)\b",
    re.IGNORECASE,
)
_NO_NEGATION = re.compile(
    r"\bnot only\b|\bno\.? ?(?=\d)|\bno (?:later|earlier|more|less|fewer) than\b|\bwhether or not\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:not|never|no longer|no|none|nobody|nothing|neither|nor|cannot)\b|n['’]t\b", re.IGNORECASE
)
_PARTICLE = re.compile(r"\W*(yes|no)\b\s*(?:[,.!:;–—-]+\s*|$)", re.IGNORECASE)
# What is past, proposed, usual, reported, or an example, holds beside what is said plainly.
_HEDGED = re.compile(
    r"\b(?:was|were|had been|used to|former(?:ly)?|previous(?:ly)?|ago|original(?:ly)?|earlier|back then"
    r"|until \d{4}|example|e\.g|eg|instance|such as|suppose|imagine|say,|propos\w*|plan(?:s|ned)?|draft|would"
    r"|could|might|typical(?:ly)?|usual(?:ly)?|often|normally|sometimes|on average|average|expect\w*"
    r"|estimat\w*|rumou?r\w*|said|says|wrote|asked|told|claimed|complained|believ\w*|thought|according|approximately"
    r"|roughly|circa|nearly|almost|(?:about|around|ca\.?) \W?\d\S*)\b|~ ?\d",
    re.IGNORECASE,
)
# Stop words that change what is claimed.
_LIMITING = """
    if unless except only without more other another further than while when whenever during before after
    above below over under between off both again until most few once out own same such too
"""
_GUARDS = frozenset(_LIMITING.split())
_READERS = re.compile(
    r"\b(?:staff|employee|customer|team|company|office|user)s?['’]?s?"
    r" (?=handbook|guide|manual|wiki|faq|help)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a piece of evidence: a sentence, an item, or one cell of a row with the row's subject.

    `matter` are the canonical stems of what it is about, without its values; `around` those of the title, the
    headings and the line above. `facts` are its values and `subject` those among them that a row's first cell
    holds. `guards` are words and rates that limit it; `starts` is the event that a period is counted from.
    `people` are full names, `denies` tells whether it says no, and what is `hedged` claims nothing of today.
    """

    evidence: Evidence
    text: str
    matter: frozenset[str]
    around: frozenset[str]
    facts: frozenset[Fact]
    subject: frozenset[Fact]
    guards: frozenset[str]
    starts: str
    people: frozenset[str]
    denies: bool
    hedged: bool


def statements(evidence: Evidence) -> tuple[Statement, ...]:
    """Return what a piece states; nothing for code, whole lists and questions."""
    if evidence.kind in {"code", "list"} or evidence.text.rstrip().endswith("?"):
        return ()
    if evidence.kind == "row":
        return tuple(
            _statement(evidence, f"{subject}: {cell}", subject) for subject, cell in _cells(evidence.text)
        )
    return (_statement(evidence, evidence.text),)


def canonical(text: str) -> frozenset[str]:
    """Return the content stems of a text without its numbers, one stem for all words of the same meaning."""
    words = [word for word in tokens(_NUMBERED.sub(" ", text)) if word not in _NO_CONTENT]
    bare = [word for word in words if word in _UNLIKE_UNITS or not is_measure(word)]
    return frozenset(same().get(s, s) for s in stem([word for word in bare if not _CALENDAR.fullmatch(word)]))


def facts_of(text: str) -> frozenset[Fact]:
    """Return the facts of a text that are values: numbers, dates, times, codes, addresses, phone numbers."""
    phones = _phones(text)
    for phone in phones:
        text = text.replace(phone, " ")
    facts = {fact for fact in hard_facts(text) if fact.kind not in {"name", "mention"}}
    # A date holds its month.
    months = {fact.value.split()[0] for fact in facts if fact.kind == "date"}
    facts = {fact for fact in facts if not (fact.kind == "month" and fact.value in months)}
    return frozenset(facts | {Fact("phone", re.sub(r"\D", "", phone)) for phone in phones})


def _statement(evidence: Evidence, text: str, subject: str = "") -> Statement:
    particle = _PARTICLE.match(text)
    body = _SEND_BACK.sub(r"return\1", text[particle.end() :] if particle else text)
    words = _without_addresses(body)
    stated = canonical(_NEGATION.sub(" ", _STARTING_POINT.sub(" ", words)))
    negations = len(_NEGATION.findall(_NO_NEGATION.sub(" ", body))) + len(stated & contrary().keys())
    start = _STARTING_POINT.search(words)
    return Statement(
        evidence=evidence,
        text=text,
        matter=frozenset(contrary().get(s, s) for s in stated) | canonical(_question_above(evidence)),
        around=_around(evidence),
        facts=facts_of(body),
        subject=facts_of(subject),
        guards=_guards(body),
        starts=start[1].lower() if start else "",
        people=frozenset(name for match in _PERSON.findall(words) for name in match if name),
        denies=negations % 2 == 1 if stated or particle is None else particle[1].lower() == "no",
        hedged=negations > 1 or bool(_HEDGED.search(words)),
    )


def _cells(row: str) -> Iterator[tuple[str, str]]:
    """Each further cell of a row with the row's first: "Corrie 1.4" and "Price: £45.00"."""
    cells = [cell.partition(": ") for cell in row.split("; ")]
    subject = cells[0][2] or cells[0][0]
    for name, _, value in islice(cells, 1, _MOST_CELLS):
        if value:
            yield subject, f"{name}: {value}"


def _question_above(evidence: Evidence) -> str:
    """The question that a piece answers, where one stands above it as in a list of questions and answers."""
    above = (evidence.lead, evidence.context.split(" | ")[0].rpartition(" > ")[2])
    return next((text for text in above if text.endswith("?")), "")


def _around(evidence: Evidence) -> frozenset[str]:
    text = _READERS.sub("", without_dates(f"{evidence.passage.title} | {evidence.context}"))
    calendar = {word for word in tokens(text) if _CALENDAR.fullmatch(word)}
    return (canonical(text) - page()) | frozenset(re.findall(r"\d+", text)) | calendar


def _guards(text: str) -> frozenset[str]:
    words = tokens(text)
    rates = {stem([found.lower()])[0] for match in _RATE.findall(text) for found in match if found}
    rates |= {_RATE_WORDS[word] for word in words if word in _RATE_WORDS}
    return frozenset(_GUARDS & set(words)) | {f"per {rate}" for rate in rates}


def _phones(text: str) -> list[str]:
    return [
        found
        for found in _PHONE.findall(text)
        if sum(map(str.isdigit, found)) in _PHONE_DIGITS and not _ISO_DATE.fullmatch(found)
    ]


def _without_addresses(text: str) -> str:
    for phone in _phones(text):
        text = text.replace(phone, " ")
    return _ADDRESS.sub(" ", text)
