"""How fresh a source is, in words, the same in every place where an answer is read."""

from __future__ import annotations

from datetime import datetime

from connectors.conversation import Citation

# Not `strftime`, whose names of months change with the locale.
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def freshness(citation: Citation, now: datetime) -> str:
    """When the document changed, if its source tells, and when it was read.

    "changed 3 March 2026, read 5 minutes ago"
    """
    read = f"read {age(citation.indexed_at, now)}"
    return read if citation.modified_at is None else f"changed {day(citation.modified_at)}, {read}"


def age(moment: datetime, now: datetime) -> str:
    """How long ago, in words: "just now", "5 minutes ago", "3 days ago"."""
    seconds = max(0.0, (now - moment).total_seconds())
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}{'' if number == 1 else 's'} ago"
    return "just now"


def day(moment: datetime) -> str:
    """The day of a moment where this machine stands, in words: "3 March 2026"."""
    local = moment.astimezone()
    return f"{local.day} {MONTHS[local.month - 1]} {local.year}"
