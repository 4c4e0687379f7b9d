"""The hard facts of a text: numbers with their units, dates, times, codes, names, addresses, mentions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from knowledge.terms import STOP_WORDS, stem, stems, tokens

_URL = re.compile(r"(?:https?://|www\.)[^\s<>|\"'`]+", re.IGNORECASE)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_DOMAIN = re.compile(r"(?<![\w.-])(?:[a-z0-9-]{2,63}\.){1,8}[a-z]{2,12}\b(?:/[^\s<>|\"'`)]*)?", re.IGNORECASE)
_LINK = re.compile(r"!?\[[^\]\[\n]{0,300}\]\(([^()\s]{0,300})[^()\n]{0,200}\)")
_MENTION = re.compile(r"<[@#!][^<>\s]{1,60}>|(?<![\w.])@\w[\w.-]*|(?<!\w)#[A-Za-z][\w-]+")
_SCHEME = re.compile(r"\b(?:javascript|data|file|slack|discord|mailto|tel|ftp):[^\s]+", re.IGNORECASE)

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_ISO_DATE = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b")
_MONTH_DAY = re.compile(rf"\b({_MONTH})\b\.? (\d{{1,2}})(?:st|nd|rd|th)?\b(?!:)", re.IGNORECASE)
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})\b", re.IGNORECASE)
_MONTH_NAME = re.compile(
    r"\b(January|February|March|April|May|June|July|August|September|October|November|December)\b"
)
_WEEKDAY = re.compile(r"\b(mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)days?\b", re.IGNORECASE)

_CLOCK = re.compile(r"\b(\d{1,2})(?:[:.](\d\d))?\s?([ap])\.?\s?m\b\.?|\b(\d{1,2}):(\d\d)\b", re.IGNORECASE)
_CODE = re.compile(r"\b(?=[\w.-]{0,40}\d)(?=[\w.-]{0,40}[A-Za-z])\w[\w]*(?:[.-]\w+)*\b|\b\d+(?:\.\d+){2,}\b")
_AMOUNT = re.compile(
    r"(?P<sign>[$€£¥])?\s?(?P<number>\d{1,3}(?:[,\u202f\u00a0]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?P<scale>\s?(?:thousand|million|billion|trillion|bn|k|m)\b)?"
    r"(?P<percent>[\s-]?(?:%|per ?cent\b))?(?P<after>(?:[\s-]+(?:[A-Za-z°]+|[€£$](?!\s?\d))){0,2})",
    re.IGNORECASE,
)
_SCALES = {"thousand": 3, "k": 3, "million": 6, "m": 6, "billion": 9, "bn": 9, "trillion": 12}
_SIGNS = {"$": "usd", "€": "eur", "£": "gbp", "¥": "jpy"}
_UNIT_NAMES = """
    usd: dollar dollars usd bucks
    eur: euro euros eur €
    gbp: pound pounds gbp £
    jpy: yen jpy
    cent: cent cents
    percent: percent pct
    second: second seconds sec secs
    minute: minute minutes min mins
    hour: hour hours hr hrs h
    day: day days
    night: night nights
    week: week weeks
    month: month months
    year: year years yr yrs
    decade: decade decades
    g: g gram grams
    kg: kg kilogram kilograms kilo kilos
    lb: lb lbs
    oz: oz ounce ounces
    mm: mm millimetre millimeter millimetres millimeters
    cm: cm centimetre centimeter centimetres centimeters
    m: metre meter metres meters
    km: km kilometre kilometer kilometres kilometers
    mile: mile miles mi
    foot: foot feet ft
    inch: inch inches
    ml: ml millilitre milliliter millilitres milliliters
    l: l litre liter litres liters
    kb: kb
    mb: mb
    gb: gb
    tb: tb
    w: watt watts
    v: volt volts
"""
_UNITS = {
    alias: unit
    for unit, _, aliases in (line.strip().partition(": ") for line in _UNIT_NAMES.strip().splitlines())
    for alias in aliases.split()
}
_COUNTING = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty
"""
_TENS = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_NUMBER_WORDS = {word: str(n) for n, word in enumerate(_COUNTING.split())} | {
    w: str(n) for w, n in _TENS.items()
}
_WORD_NUMBER = re.compile(rf"\b({'|'.join(_NUMBER_WORDS)})\b", re.IGNORECASE)
_NAME = re.compile(r"\b[^\W\d_a-z][^\W_]*(?:['’-][^\W_]+)*")
_SENTENCE_START = re.compile(r"(?:^|[.!?:]\s+|\n\s*(?:[-*]\s+)?|[\"“(]\s*)$")
_MEASURES = frozenset((*_NUMBER_WORDS, *_SCALES, *_UNITS, "pm"))


@dataclass(frozen=True, slots=True)
class Fact:
    """One hard fact in normal form: its kind, its value and, for an amount, its unit (or "")."""

    kind: str
    value: str
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.value} {self.unit}".strip()


def hard_facts(text: str) -> frozenset[Fact]:
    """Return the facts that a faithful sentence must share with its source, in normal form."""
    return frozenset(_facts(text))


def is_measure(word: str) -> bool:
    """Whether a lower-case word is part of a number, an amount or a time, which facts compare by meaning."""
    return word in _MEASURES or any(character.isdigit() for character in word)


def missing_facts(said: frozenset[Fact], known: frozenset[Fact], source: str) -> list[Fact]:
    """Return the facts of a sentence that its source does not hold, in a stable order.

    `known` are the source's own facts. An amount without a unit on one side meets the same number with any.
    """
    lower = source.lower()
    words = set(stems(source))
    return sorted(
        (fact for fact in said if not _holds(fact, known, lower, words)), key=lambda f: (f.kind, f.value)
    )


def _holds(fact: Fact, known: frozenset[Fact], source: str, words: set[str]) -> bool:
    if fact in known:
        return True
    if fact.kind == "amount":
        units = {other.unit for other in known if other.kind == "amount" and other.value == fact.value}
        return bool(units) and (not fact.unit or "" in units)
    if fact.kind == "name":
        return all(part in words for part in stem(tokens(fact.value)))
    if fact.kind in {"address", "code"}:
        return fact.value in source
    return False


def _facts(text: str) -> Iterator[Fact]:
    rest = text
    for match in _LINK.finditer(text):
        yield Fact("address", _address(match[1]) or match[0])
    for pattern in (_SCHEME, _URL, _EMAIL, _MENTION, _DOMAIN):
        kind = "mention" if pattern is _MENTION else "address"
        for match in pattern.finditer(rest):
            value = _address(match[0])
            # "of.The" is a lost space, not an address.
            if pattern is not _DOMAIN or not re.search(r"\.[A-Z][a-z]*$", match[0]):
                yield Fact(kind, value)
        rest = pattern.sub(" ", rest)
    yield from _numeric(rest)
    yield from _names(rest)


def _address(raw: str) -> str:
    return raw.rstrip(".,;:!?)]}'\"*_").rstrip("/").lower().removeprefix("mailto:")


def _numeric(text: str) -> Iterator[Fact]:
    for match in _ISO_DATE.finditer(text):
        name = _MONTHS[(int(match[2]) - 1) % 12]
        yield Fact("month", name)
        yield Fact("date", f"{name} {int(match[3])}")
        yield Fact("amount", match[1])
    text = _ISO_DATE.sub(" ", text)
    for match in _CLOCK.finditer(text):
        yield Fact("time", _minutes(match))
    # "Under 8 may" names no day: the month is written with a capital.
    text = re.sub(r"\bmay\b", "can", _CLOCK.sub(" ", text))
    for pattern, month, day in ((_MONTH_DAY, 1, 2), (_DAY_MONTH, 2, 1)):
        for match in pattern.finditer(text):
            yield Fact("date", f"{match[month][:3].lower()} {int(match[day])}")
            yield Fact("month", match[month][:3].lower())
        text = pattern.sub(" ", text)
    for match in _MONTH_NAME.finditer(text):
        yield Fact("month", match[1][:3].lower())
    for match in _WEEKDAY.finditer(text):
        yield Fact("weekday", match[1][:3].lower())
    text = re.sub(r"\b(\d+)(?:st|nd|rd|th)\b", r"\1", text)
    text = _WORD_NUMBER.sub(
        lambda match: _NUMBER_WORDS[match[1].lower()] if match[1].lower() != "one" else match[0], text
    )
    yield from _amounts(text)


def _minutes(match: re.Match[str]) -> str:
    hour, minute = int(match[1] or match[4]), int(match[2] or match[5] or 0)
    if match[3]:
        hour = hour % 12 + (12 if match[3].lower() == "p" else 0)
    return f"{hour:02}:{minute:02}"


def _amounts(text: str) -> Iterator[Fact]:
    taken: list[tuple[int, int]] = []
    for match in _CODE.finditer(text):
        if _AMOUNT.fullmatch(match[0]) or re.fullmatch(r"\d+-[A-Za-z]+", match[0]):
            continue
        glued = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]+)", match[0])
        unit = _UNITS.get(glued[2].lower()) if glued else None
        if glued and unit:
            yield Fact("amount", _plain(glued[1]), unit)
        else:
            yield Fact("code", match[0].lower())
        taken.append(match.span())
    for match in _AMOUNT.finditer(text):
        if any(start <= match.start("number") < end for start, end in taken):
            continue
        number = re.sub(r"[,\u202f\u00a0]", "", match["number"])
        scale = (match["scale"] or "").strip().lower()
        yield Fact("amount", _plain(number, _SCALES.get(scale, 0)), _unit(match))


def _unit(match: re.Match[str]) -> str:
    if match["percent"]:
        return "percent"
    if match["sign"]:
        return _SIGNS[match["sign"]]
    following = (_UNITS.get(word.lower()) for word in re.split(r"[\s-]+", match["after"]) if word)
    return next((unit for unit in following if unit), "")


def _plain(number: str, zeros: int = 0) -> str:
    """Decimal digits times a power of ten, in the shortest form, exact at any length."""
    whole, _, fraction = number.partition(".")
    fraction = fraction.ljust(zeros, "0")
    whole, fraction = (whole + fraction[:zeros]).lstrip("0") or "0", fraction[zeros:].rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def _names(text: str) -> Iterator[Fact]:
    for match in _NAME.finditer(text):
        name = re.sub(r"['’]s$", "", match[0])
        word = name.lower()
        if len(name) < 2 or word.split("'")[0].split("’")[0] in STOP_WORDS or word in _NUMBER_WORDS:
            continue
        opening = bool(_SENTENCE_START.search(text[max(0, match.start() - 8) : match.start()]))
        # A sentence's first word is capitalised anyway; one with inner capitals is a name all the same.
        if opening and name[1:].islower():
            continue
        if _MONTH_NAME.fullmatch(name) or _WEEKDAY.fullmatch(name):
            continue
        yield Fact("name", name)
