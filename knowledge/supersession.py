"""Documents that say of themselves that they no longer hold: kept for reference, ranked behind the others."""

from __future__ import annotations

import re

_NO_LONGER = re.compile(
    r"\b(?:superseded|obsolete|deprecated|archived|outdated|withdrawn|replaced by"
    r"|no longer (?:valid|in force|current|applies))\b",
    re.IGNORECASE,
)
_OF_THE_PAST = re.compile(
    r"\b(?:old|older|previous|previously|former|formerly|earlier|used to|superseded|archived|back then)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+")


def is_superseded(title: str, heading: str) -> bool:
    """Whether the title or a heading says that something newer has taken this text's place."""
    return bool(_NO_LONGER.search(title) or _NO_LONGER.search(heading))


def asks_for_the_past(question: str, title: str) -> bool:
    """Whether a question wants what no longer holds: it says so, or names the year in the title."""
    named = set(_NUMBER.findall(question)) & set(_NUMBER.findall(title))
    return bool(named or _OF_THE_PAST.search(question))
