"""Which of two pieces of evidence is the newer one, and by which dates a reader can see it."""

from __future__ import annotations

import re

from bot.evidence import Evidence
from connectors.freshness import MONTHS, day
from knowledge.supersession import is_superseded

_MONTH = "|".join(rf"{month[:3]}(?:{month[3:]})?" for month in MONTHS)
# A year alone counts only as that of an edition: in "Price list 2025" it is a subject.
_NAMED_DATE = re.compile(
    rf"\b(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)? )?(?P<month>{_MONTH})\.?"
    rf"(?: (?P<us_day>\d{{1,2}})(?:st|nd|rd|th)?,)? (?P<year>\d{{4}})\b"
    r"|\b(?P<iso>\d{4}-\d\d-\d\d)\b|\b(?P<edition>\d{4}) edition\b|\bedition (?P<of>\d{4})\b",
    re.IGNORECASE,
)


def newer(first: Evidence, second: Evidence) -> int:
    """Return 1 when the first is newer, -1 when the second is, 0 when nothing tells.

    What says of itself that it no longer holds is older. Else the sources' own dates count, by the day, and
    then those that titles and headings name; where the two contradict each other, nothing tells. When a
    document was read tells nothing: all of a first sync are read together.
    """
    past = no_longer_holds(first), no_longer_holds(second)
    if past[0] != past[1]:
        return past[1] - past[0]
    changed, named = _by_change(first, second), _by_name(first, second)
    return 0 if changed * named < 0 else changed or named


def date_of(piece: Evidence, beside: Evidence) -> str:
    """Return in words the date that tells a piece from another one; its day of reading when it has none."""
    named = _named(piece)
    if named is not None and _by_change(piece, beside) == 0 and _by_name(piece, beside) != 0:
        return named[0]
    if piece.passage.modified_at is not None:
        return day(piece.passage.modified_at)
    return f"read {day(piece.passage.indexed_at)}"


def no_longer_holds(piece: Evidence) -> bool:
    """Whether a piece's document says that something newer has taken its place."""
    return is_superseded(piece.passage.title, piece.passage.heading)


def without_dates(text: str) -> str:
    """Return a title or heading without the dates and editions that it names."""
    return _NAMED_DATE.sub(" ", text)


def _by_change(first: Evidence, second: Evidence) -> int:
    one, two = first.passage.modified_at, second.passage.modified_at
    if one is None or two is None or day(one) == day(two):
        return 0
    return 1 if one > two else -1


def _by_name(first: Evidence, second: Evidence) -> int:
    one, two = _named(first), _named(second)
    if one is None or two is None:
        return 0
    depth = min(len(one[1]), len(two[1]))
    return (one[1][:depth] > two[1][:depth]) - (one[1][:depth] < two[1][:depth])


def _named(piece: Evidence) -> tuple[str, tuple[int, ...]] | None:
    """The first date that title and heading name, in their words and as year, month, day so far as told."""
    match = _NAMED_DATE.search(f"{piece.passage.title} | {piece.passage.heading}")
    if match is None:
        return None
    if edition := match["edition"] or match["of"]:
        return match[0], (int(edition),)
    if match["iso"]:
        return match[0], tuple(map(int, match["iso"].split("-")))
    month = [name[:3].lower() for name in MONTHS].index(match["month"][:3].lower()) + 1
    told = match["day"] or match["us_day"]
    return match[0], (int(match["year"]), month, *((int(told),) if told else ()))
