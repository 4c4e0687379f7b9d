"""Brings the index up to date with the configured sources, one after the other."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.settings import SettingsError
from knowledge.documents import KnowledgeError, Source
from knowledge.sync import SyncBusyError, Synchronizer, SyncOptions, SyncProgress, SyncReport

OnProgress = Callable[[SyncProgress], None]


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


def sync_sources(
    synchronizer: Synchronizer,
    sources: Sequence[Source],
    options: SyncOptions,
    rebuild: bool,
    on_progress: OnProgress,
    cancelled: threading.Event,
) -> tuple[SourceOutcome, ...]:
    """Sync each source; one that fails does not keep the others from it.

    Raises `SyncBusyError` when another sync is running.
    """
    run = synchronizer.rebuild if rebuild else synchronizer.sync
    outcomes = []
    for source in sources:
        try:
            report = run(source, on_progress=on_progress, cancelled=cancelled, options=options)
        except SyncBusyError:
            raise
        except KnowledgeError as error:
            outcomes.append(SourceOutcome(source.name, None, str(error)))
        else:
            outcomes.append(SourceOutcome(source.name, report))
    return tuple(outcomes)
