"""A sync that an admin asked for in a chat: in a thread of its own, followed and cancelled from outside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.indexing import OnProgress, SourceOutcome, choose_sources, sync_options, sync_sources
from connectors.commands import Reindex
from connectors.conversation import Progress
from knowledge.sync_report import SyncProgress

if TYPE_CHECKING:
    from bot.assembly import Assembly

# A chat is not told more often.
_SECONDS_BETWEEN = 0.5


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What became of each source; `paused` were left out because nobody named them."""

    outcomes: tuple[SourceOutcome, ...]
    paused: tuple[str, ...]


async def reindex(assembly: Assembly, command: Reindex) -> AsyncGenerator[Progress | Reindexed, None]:
    """Yield how far it is and last what became of it.

    Closing the generator cancels the run and waits until it has stopped; what it has published stays.
    Raises `SettingsError` for a source that does not exist, and `KnowledgeError`.
    """

    def run(on_progress: OnProgress, cancelled: threading.Event) -> Reindexed:
        return _reindexed(assembly, command, on_progress, cancelled)

    loop, cancelled, changed = asyncio.get_running_loop(), threading.Event(), asyncio.Event()
    newest: list[SyncProgress] = []

    def note(step: SyncProgress) -> None:
        newest[:] = [step]
        changed.set()

    thread = ThreadPoolExecutor(1, "reindex")
    running = loop.run_in_executor(thread, run, _handed_over(loop, note), cancelled)
    running.add_done_callback(lambda done: changed.set())
    try:
        while not running.done():
            await changed.wait()
            changed.clear()
            if newest and not running.done():
                yield Progress(progress_words(newest.pop()))
                await asyncio.wait([running], timeout=_SECONDS_BETWEEN)
        yield running.result()
    finally:
        cancelled.set()
        thread.shutdown(wait=False)
        await asyncio.wait([running])


def progress_words(step: SyncProgress) -> str:
    """How far a run is, in words: "Reading 40 of 120 documents of handbook"."""
    match step.phase:
        case "listing":
            return f"Listing the documents of {step.source}"
        case "index":
            return f"Building the vector index of {step.source}"
        case "documents":
            return f"Reading {step.done + 1:,} of {step.total:,} documents of {step.source}"


def _handed_over(loop: asyncio.AbstractEventLoop, note: Callable[[SyncProgress], None]) -> OnProgress:
    def hand_over(step: SyncProgress) -> None:
        loop.call_soon_threadsafe(note, step)

    return hand_over


def _reindexed(
    assembly: Assembly, command: Reindex, on_progress: OnProgress, cancelled: threading.Event
) -> Reindexed:
    chosen = choose_sources(assembly.sources, command.source)
    paused: tuple[str, ...] = ()
    if command.source is None:
        paused = tuple(source.name for source in chosen if source.name in assembly.jobs.paused())
        chosen = tuple(source for source in chosen if source.name not in paused)
    options = sync_options(assembly.settings.sync, confirm_deletions=command.confirm_deletions)
    run = assembly.synchronizer.rebuild if command.rebuild else assembly.synchronizer.sync
    with assembly.run_notes.noting(on_progress) as noted:
        return Reindexed(sync_sources(run, chosen, options, noted, cancelled), paused)
