"""A log that a test can read."""

from __future__ import annotations

from typing import Any


class Log:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def info(self, event: str, /, **fields: Any) -> None:
        self.lines.append({"event": event, **fields})

    warning = error = info
