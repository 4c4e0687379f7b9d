"""What the check of a platform's set-up finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was looked at; `fix` is empty when it is in order."""

    name: str
    found: str
    fix: str = ""
