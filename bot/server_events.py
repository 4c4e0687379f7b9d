"""What is told of the model's server: to listeners, to the log, and to other processes by a small note."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapters.files import replace_file
from adapters.remote.events import Listener, ServerEvent

logger = logging.getLogger(__name__)


class ServerEvents:
    """Passes every event on to all listeners; metrics add theirs."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = list(listeners)

    def add(self, listener: Listener) -> None:
        """Let one more know of everything from now on."""
        self._listeners.append(listener)

    def __call__(self, event: ServerEvent) -> None:
        for listener in self._listeners:
            listener(event)


class ServerAnnouncer:
    """Says what a person should know, and each thing once until the server answers again."""

    def __init__(self, announce: Callable[[str], None], instead: str) -> None:
        """`instead` says what happens to questions that the server does not answer."""
        self._announce = announce
        self._instead = instead
        self._failing = False

    def __call__(self, event: ServerEvent) -> None:
        match event.kind:
            case "failed over" if not self._failing:
                self._failing = True
                self._announce(f"{event.reason} {self._instead}")
            case "used":
                if self._failing:
                    self._announce(f"The model {event.model} on its server answers again.")
                self._failing = False
            case "circuit opened" | "limit reached" | "refused":
                self._announce(event.reason)
            case "withdrawn" if event.reason:
                self._announce(f"{event.voice} could not be taken off the server: {event.reason}")


@dataclass(frozen=True, slots=True)
class ServerNote:
    """How the server did when it was last asked; `at` is since when, `reason` is "" while it answers."""

    at: datetime
    reason: str


class ServerNotes:
    """A small file that tells other processes how the server does; it changes when that does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reason: str | None = None

    def __call__(self, event: ServerEvent) -> None:
        if event.kind not in ("failed over", "used"):
            return
        reason = event.reason if event.kind == "failed over" else ""
        if self._reason is not None and bool(reason) == bool(self._reason):
            return
        self._reason = reason
        note = ServerNote(datetime.now(UTC), reason)
        try:
            replace_file(self._path, json.dumps(asdict(note), default=datetime.isoformat))
        except OSError as error:
            logger.warning("%s cannot be written: %s", self._path, error.strerror)

    def read(self) -> ServerNote | None:
        """The newest note, None before the first question."""
        try:
            fields = json.loads(self._path.read_text(encoding="utf-8"))
            return ServerNote(datetime.fromisoformat(fields["at"]), str(fields["reason"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None
