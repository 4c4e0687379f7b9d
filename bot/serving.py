"""`lorebot serve`: one process that runs Lorebot's services until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from adapters.generation import GenerationError
from bot.assembly import Assembly
from bot.connecting import beside, build_connectors, supervise
from bot.indexing import choose_sources, sync_options
from bot.library import location
from bot.logs import open_log
from bot.schedule import parse_schedule
from bot.settings import load_settings
from bot.source_settings import AnySource, FolderSettings
from bot.status import SERVING
from bot.upkeep import KeptSource, Upkeep, Watch
from knowledge.documents import KnowledgeError
from knowledge.sources.folder import FolderSource
from knowledge.sources.selection import Selection
from knowledge.sync import SyncReport
from knowledge.watching import FolderWatch

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

# Long enough to outlast a look at whether the lock is held.
_AT_ONCE_SECONDS = 0.2

Service = Callable[[], Coroutine[None, None, None]]


def serve(config: Path | None) -> None:
    """Keep the index current until SIGINT or SIGTERM; a second signal ends the process as usual.

    Raises `SettingsError`, and `KnowledgeError` when something cannot start or another process serves.
    """
    settings = load_settings(config)
    log = open_log(sys.stderr, settings.serve.log_level)
    assembly = Assembly(settings, log.warning)
    choose_sources(assembly.sources, None)
    with _alone(settings.home):
        asyncio.run(_serve(assembly, log))


async def _serve(assembly: Assembly, log: FilteringBoundLogger) -> None:
    stop = stop_event()
    log.info("starting", pid=os.getpid(), home=str(assembly.settings.home))
    try:
        upkeep = await asyncio.to_thread(build_upkeep, assembly, log)
        connectors = build_connectors(assembly, log, os.environ)
        if not connectors:
            await run_services([upkeep.run], stop)
            return
        platforms = [partial(supervise, connector, log) for connector in connectors]
        # What this process took stays its own until the platforms have seen it through.
        async with beside(assembly.inbox.run):
            await run_services([upkeep.run, partial(_warm_up, assembly, log), *platforms], stop)
    finally:
        await assembly.close()
        log.info("stopped")


async def _warm_up(assembly: Assembly, log: FilteringBoundLogger) -> None:
    try:
        await assembly.warm_up()
    except (KnowledgeError, GenerationError) as error:
        log.error("the models are not ready", error=str(error))


async def run_services(services: Sequence[Service], stop: asyncio.Event) -> None:
    """Run services side by side until `stop` is set or one of them fails, whose error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(service()) for service in services]
            await stop.wait()
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as group:
        failed: BaseException = group
        while isinstance(failed, BaseExceptionGroup):
            failed = failed.exceptions[0]
        raise failed from None


def stop_event() -> asyncio.Event:
    """An event that the first SIGINT or SIGTERM sets; from then on they do what they usually do."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def request() -> None:
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, request)
    return stop


def build_upkeep(assembly: Assembly, log: FilteringBoundLogger) -> Upkeep:
    """Load what a sync needs, and make what keeps all sources current. Raises `KnowledgeError`."""
    index = _Index(assembly)
    lasts = assembly.catalog.last_syncs()
    kept = []
    for table in assembly.settings.sources:
        watch = _watch(table, assembly)
        follows = f"{table.kind} {location(table)}" + (", watched" if watch else "")
        kept.append(
            KeptSource(table.name, follows, parse_schedule(table.schedule), watch, lasts.get(table.name))
        )
    return Upkeep(kept, assembly.jobs, index, log)


class _Index:
    """The assembly's index as `bot.upkeep.Index`."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._synchronizer = assembly.synchronizer
        self._options = sync_options(assembly.settings.sync)

    def sync(self, name: str, cancelled: threading.Event) -> SyncReport:
        source = self._assembly.sources[name]
        with self._assembly.run_notes.noting(lambda step: None) as on_progress:
            return self._synchronizer.sync(
                source, on_progress=on_progress, cancelled=cancelled, options=self._options
            )

    def failures(self, name: str) -> int:
        return len(self._assembly.catalog.failing(name))

    def waiting(self) -> Collection[str]:
        rebuilding = self._assembly.rebuilding
        return rebuilding.waiting if rebuilding is not None else ()


def _watch(table: AnySource, assembly: Assembly) -> Watch | None:
    source = assembly.sources[table.name]
    if not (isinstance(table, FolderSettings) and isinstance(source, FolderSource) and table.watch):
        return None
    return FolderWatch(source.path, Selection(source.include, source.exclude), table.watch == "poll").changes


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Serve for the block. Raises `KnowledgeError` when another process serves this home."""
    lock = FileLock(home / f"{SERVING}.lock")
    try:
        lock.acquire(timeout=_AT_ONCE_SECONDS)
    except Timeout:
        raise KnowledgeError(
            f"Another `lorebot serve` keeps {home} current: stop it first, or let it work."
        ) from None
    try:
        yield
    finally:
        lock.release()
