"""How a source is doing, in a person's words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bot.progress import RunNote
from connectors.freshness import age
from knowledge.records import CANCELLED, INTERRUPTED, RUNNING, SyncRecord

Condition = Literal["running", "paused", "failing", "never synced", "interrupted", "current"]

_FAILED = "failed: "


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of the syncs of one source.

    `last` is the newest run, `failed` those that failed since one was complete, the newest first. `running`
    is how far a run is that is on. `next_run` is None when none is planned, or no process would make it.
    """

    last: SyncRecord | None
    failed: tuple[SyncRecord, ...]
    running: RunNote | None
    paused_since: datetime | None
    next_run: datetime | None

    @property
    def condition(self) -> Condition:
        """The one thing to know first."""
        if self.running is not None:
            return "running"
        if self.paused_since is not None:
            return "paused"
        if self.last is None:
            return "never synced"
        if self.failed:
            return "failing"
        return "interrupted" if self.last.outcome in (RUNNING, INTERRUPTED, CANCELLED) else "current"

    @property
    def failing_since(self) -> datetime | None:
        """When the first of the runs began that failed since one was complete."""
        return self.failed[-1].started_at if self.failed else None

    def words(self, now: datetime) -> str:
        """One line, without a full stop."""
        match self.condition:
            case "running":
                return f"running: {_progress(self.running)}"
            case "paused":
                return f"paused since {_at(self.paused_since, now)}{self._checked(now, '; ')}"
            case "never synced":
                return f"never synced{self._next(now) or ': run `lorebot sync` or `lorebot serve`'}"
            case "failing":
                again = f"; tried again at {_at(self.next_run, now)}" if self.next_run else ""
                return f"failing since {_at(self.failing_since, now)}, {self._failures()}{again}"
            case "interrupted":
                return f"interrupted: the next run goes on from there{self._checked(now)}{self._next(now)}"
            case "current":
                return f"current{self._checked(now)}{self._next(now)}"

    def _failures(self) -> str:
        times = "once" if len(self.failed) == 1 else f"{len(self.failed)} times"
        return f"{times}: {self.failed[0].outcome.removeprefix(_FAILED).rstrip('.')}"

    def _checked(self, now: datetime, separator: str = ", ") -> str:
        if self.last is None or self.last.finished_at is None:
            return ""
        return f"{separator}checked {age(self.last.finished_at, now)}"

    def _next(self, now: datetime) -> str:
        return f", next {_until(self.next_run - now)}" if self.next_run is not None else ""


def _progress(note: RunNote | None) -> str:
    if note is None or note.phase == "listing":
        return "listing its documents"
    if note.phase == "index":
        return "building the vector index"
    return f"{note.done:,} of {note.total:,} documents"


def _at(moment: datetime | None, now: datetime) -> str:
    """A moment on this machine's clock, with its day unless that is today."""
    if moment is None:
        return "an unknown time"
    local = moment.astimezone()
    return local.strftime("%H:%M" if local.date() == now.astimezone().date() else "%Y-%m-%d %H:%M")


def _until(wait: timedelta) -> str:
    for unit, length in (
        ("day", timedelta(days=1)),
        ("hour", timedelta(hours=1)),
        ("minute", timedelta(minutes=1)),
    ):
        if wait >= length:
            number = wait // length
            return f"in {number} {unit}{'' if number == 1 else 's'}"
    return "in less than a minute" if wait > timedelta() else "at once"
