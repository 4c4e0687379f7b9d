"""Brings the index up to date with the configured sources, one after the other."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.settings import SettingsError
from bot.storage_settings import SyncSettings
from knowledge.documents import KnowledgeError, Source
from knowledge.sync_report import SyncOptions, SyncProgress, SyncReport

OnProgress = Callable[[SyncProgress], None]


class Run(Protocol):
    """`Synchronizer.sync` or `Synchronizer.rebuild`."""

    def __call__(
        self, source: Source, *, on_progress: OnProgress, cancelled: threading.Event, options: SyncOptions
    ) -> SyncReport: ...


@dataclass(frozen=True, slots=True)
class SourceOutcome:
    """What became of one source: its report, or the line that says why there is none."""

    source: str
    report: SyncReport | None
    error: str = ""


def choose_sources(sources: dict[str, Source], name: str | None) -> tuple[Source, ...]:
    """The source called `name`, or all of them. Raises `SettingsError` when there is none."""
    if not sources:
        raise SettingsError("no sources are configured; add a [[sources]] table to lorebot.toml")
    if name is None:
        return tuple(sources.values())
    if name not in sources:
        close = difflib.get_close_matches(name, sources, n=1, cutoff=0.0)[0]
        raise SettingsError(f"there is no source '{name}'; did you mean '{close}'?")
    return (sources[name],)


def sync_options(settings: SyncSettings, *, confirm_deletions: bool = False) -> SyncOptions:
    """How careful a run is by the settings."""
    return SyncOptions(settings.max_deletion_share, confirm_deletions, settings.max_documents)


def sync_sources(
    run: Run,
    sources: Sequence[Source],
    options: SyncOptions,
    on_progress: OnProgress,
    cancelled: threading.Event,
) -> tuple[SourceOutcome, ...]:
    """Run each source; one that fails, or is being synced already, does not keep the others from it."""
    outcomes = []
    for source in sources:
        try:
            report = run(source, on_progress=on_progress, cancelled=cancelled, options=options)
        except KnowledgeError as error:
            outcomes.append(SourceOutcome(source.name, None, str(error)))
        else:
            outcomes.append(SourceOutcome(source.name, report))
    return tuple(outcomes)
