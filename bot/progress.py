"""Notes on which source is being synced and how far, for other processes to read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.indexing import OnProgress
from knowledge.sync_report import SyncProgress

_SECONDS_BETWEEN = 0.5


@dataclass(frozen=True, slots=True)
class RunNote:
    """How far a run is: `done` of `total` documents that are due, in one of `SyncProgress`'s phases."""

    phase: str
    done: int
    total: int


class RunNotes:
    """One small file a source, which is there while its sync runs, and after one that was killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def noting(self, on_progress: OnProgress) -> Iterator[OnProgress]:
        """Yield what notes each step, twice a second at most, and passes it on; the notes go at the end."""
        noted: dict[str, tuple[str, float]] = {}

        def note(step: SyncProgress) -> None:
            phase, at = noted.get(step.source, ("", 0.0))
            if step.phase != phase or time.monotonic() - at >= _SECONDS_BETWEEN:
                noted[step.source] = (step.phase, time.monotonic())
                self._write(step.source, RunNote(step.phase, step.done, step.total))
            on_progress(step)

        try:
            yield note
        finally:
            for source in noted:
                self._path(source).unlink(missing_ok=True)

    def read(self, source: str) -> RunNote | None:
        """The newest note on a source."""
        try:
            return RunNote(**json.loads(self._path(source).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _path(self, source: str) -> Path:
        return self._folder / f"{source}.json"

    def _write(self, source: str, note: RunNote) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        half = self._path(source).with_suffix(".half")
        half.write_text(json.dumps(asdict(note)), encoding="utf-8")
        half.replace(self._path(source))
