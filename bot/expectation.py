"""What kind of thing a question asks for, and whether a text offers one that the question does not name."""

from __future__ import annotations

import re
from enum import Enum


class AnswerKind(Enum):
    """The expected answer type of question answering (Li and Roth 2002, "Learning question classifiers")."""

    NUMBER = "number"
    MONEY = "money"
    PERCENT = "percent"
    TIME = "time"
    DURATION = "duration"
    PERSON = "person"
    PLACE = "place"
    REASON = "reason"
    MANNER = "manner"
    ADDRESS = "address"
    OTHER = "other"


_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?s?"
_COUNT = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen"
    r"|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?|millions?|billions?|dozens?"
    r"|half|third|quarter|once|twice|none|several|unlimited|single|both)"
)
_SPAN = r"(?:second|sec|minute|min|hour|hr|h|day|night|week|month|year|decade|centur(?:y|ie)|quarter)s?"

_AUX = (
    r"(?:is|was|are|were|do|does|did|can|could|will|would|should|shall|has|have|had|must|may|might|am|to"
    r"|['’](?:s|d|ll|re|ve))"
)
# "What is the annual fee", "which year", "what opening hours": the noun that the question asks for.
_WHAT = (
    rf"\b(?:what|which|whose)(?: {_AUX}|['’]s)? (?:the |a |an |my |your |our |their |its )?(?:[\w-]+ ){{0,2}}"
)

_ASKS: tuple[tuple[AnswerKind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (AnswerKind.PERCENT, rf"{_WHAT}(?:percent(?:age)?|share|proportion|fraction)\b|\bpercent(?:age)?\b"),
        (
            AnswerKind.DURATION,
            r"\bhow (?:long|many (?:\w+ )?(?:days|weeks|months|years|hours|minutes|seconds)"
            r"|much (?:time|notice)|soon|quickly|often)\b",
        ),
        (
            AnswerKind.MONEY,
            r"\bhow (?:much|expensive)\b.*"
            r"\b(?:costs?|pay|paid|price|charged?|fee|worth|spen[dt]|earn|refund|for)\b"
            r"|\bhow much (?:is|are|was|were)\b"
            r"|\bwhat (?:do|does|did|will|would)\b.*\bcost\b"
            rf"|{_WHAT}(?:price|cost|fee|fare|salary|budget|allowance|charge)\b",
        ),
        (
            AnswerKind.NUMBER,
            r"\bhow (?:many|much|old|tall|high|far|deep|big|large|heavy|fast|wide|hot|cold)\b"
            rf"|{_WHAT}(?:number|amount|size|weight|height|age|population|length|speed|distance|score"
            r"|capacity|limit|rate|temperature|depth|area)\b",
        ),
        (
            AnswerKind.TIME,
            rf"(?:^|, |\b(?:since|until|by|and|from) )when(?: {_AUX}\b|['’]s)"
            rf"|{_WHAT}(?:year|date|days?|month|time|decade|century|season|era|hours|deadline)\b",
        ),
        (
            AnswerKind.PERSON,
            r"(?:^|, |\b(?:and|by|for|to|of|with|from|is|was|are) )(?:who|whom|whose)\b|\bwhom?\W*$",
        ),
        (
            AnswerKind.ADDRESS,
            rf"(?:{_WHAT}|\bwhere\b.*)(?:e-?mail|phone|telephone|url|website|web ?site|link|web page)\b",
        ),
        (
            AnswerKind.PLACE,
            rf"\bwhere(?: {_AUX}\b|['’]s)|{_WHAT}(?:city|cities|country|countries|state|town|place|location"
            r"|region|continent|river|street|county|island|office|building|venue|stadium|airport|province)\b",
        ),
        (AnswerKind.REASON, rf"\bwhy\b|{_WHAT}(?:reasons?|causes?|purpose)\b|\bhow come\b"),
        (AnswerKind.MANNER, rf"^\s*(?:[\w,]+ )?how {_AUX}\b"),
    )
)

_NUMBER = rf"\d[\d,.]*|\b{_COUNT}\b"
_OFFERS: dict[AnswerKind, re.Pattern[str]] = {
    kind: re.compile(pattern)
    for kind, pattern in {
        AnswerKind.NUMBER: rf"(?i:{_NUMBER})",
        AnswerKind.MONEY: r"(?i:[$€£¥]\s?\d[\d,.]*|\d[\d,.]*\s?(?:usd|eur|gbp|dollars?|euros?|pounds?"
        r"|cents?|%|[€£])|\b(?:free|no (?:charge|fee|cost)|included)\b)",
        AnswerKind.PERCENT: rf"(?i:\d[\d,.]*\s?(?:%|per ?cent)|\b{_COUNT}\b|\d+/\d+)",
        AnswerKind.TIME: rf"(?i:\b1\d{{3}}s?\b|\b20\d\ds?\b|\b{_MONTH}\b\.? ?\d*|\b{_DAY}\b"
        r"|\b\d{1,2}(?::\d\d)? ?[ap]\.?m\b|\b\d{1,2}:\d\d\b|\b\d{1,2}(?:st|nd|rd|th)\b|\bcentury\b|\bnoon\b"
        rf"|\bmidnight\b|\b(?:spring|summer|autumn|fall|winter)\b|\b(?:{_NUMBER})[ -](?:\w+ )?{_SPAN}\b"
        r"|\b(?:daily|weekly|monthly|yearly|annually|today|tomorrow|yesterday|immediately)\b)",
        AnswerKind.DURATION: rf"(?i:(?:{_NUMBER}|\ban?\b)[ -](?:\w+ ){{0,2}}{_SPAN}\b|\b(?:daily|weekly"
        r"|monthly|yearly|annually|rarely|sometimes|usually|always|never|\d+:\d\d|forever"
        r"|permanently|immediately|lifetime|indefinitely|every)\b)",
        AnswerKind.PERSON: r"(?<![.!?] )(?<!^)\b[A-Z][\w'’-]+|^[A-Z]\w+ [A-Z]\w+",
        AnswerKind.PLACE: r"(?<![.!?] )(?<!^)\b[A-Z][\w'’-]+|(?i:\b(?:in|at|on|near|under|behind|inside|from"
        r"|to|via|through|between|outside) "
        rf"(?!{_MONTH}\b|the (?:morning|evening|end)|{_DAY}\b)(?:the |your |our |a )?\w{{3,}})",
        AnswerKind.REASON: r"(?i:\b(?:because|due to|since|so that|in order to|as a result|owing to|therefore"
        r"|reasons?|causes?d?|leads?|led|for"
        r"|to (?:avoid|prevent|keep|protect|ensure|reduce|make|allow|help))\b)",
        AnswerKind.MANNER: r"(?i:\b(?:by|using|via|through|with|click|press|open|select|go to|run|use|send"
        r"|call|hold|set|enter|choose|contact|write|must|should|can|first|then)\b)",
        AnswerKind.ADDRESS: r"https?://\S+|[\w.+-]+@[\w-]+\.\w+|\+?\d[\d ()-]{6,}",
    }.items()
}


def expected(question: str) -> AnswerKind:
    """Return the kind of thing that the question asks for."""
    found = [
        (match.start(), order)
        for order, (_, pattern) in enumerate(_ASKS)
        if (match := pattern.search(question)) is not None
    ]
    return _ASKS[min(found)[1]][0] if found else AnswerKind.OTHER


def offers(kind: AnswerKind, text: str, question: str) -> bool:
    """Whether the text holds something of the kind that the question does not already name.

    Always true for `AnswerKind.OTHER`, of which nothing can be told.
    """
    pattern = _OFFERS.get(kind)
    if pattern is None:
        return True
    asked = question.lower()
    return any(match.group().lower().rstrip(".,") not in asked for match in pattern.finditer(text))
