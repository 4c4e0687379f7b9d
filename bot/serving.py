"""`lorebot serve`: one process that runs Lorebot's services until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from bot.assembly import Assembly
from bot.connecting import beside, build_connectors, supervise
from bot.home import SERVING
from bot.indexing import choose_sources, sync_options
from bot.leading import Leading, Service
from bot.library import location
from bot.live_metrics import LiveMetrics
from bot.logs import forwarding, open_log
from bot.own_loop import in_own_loop
from bot.probes import Probes, served
from bot.readiness import Readiness, impairments, needs, needs_to_answer
from bot.redaction import Redaction, secrets_of
from bot.retention import Retention
from bot.schedule import parse_schedule
from bot.server_metrics import ServerMetrics
from bot.settings import ServeSettings, load_settings
from bot.source_settings import AnySource, FolderSettings
from bot.stopping import EndAtLast, stop_event
from bot.upkeep import KeptSource, Upkeep, Watch
from bot.vector_upkeep import VectorUpkeep
from bot.warming import Warming
from knowledge.documents import KnowledgeError
from knowledge.locking import SyncBusyError
from knowledge.sources.folder import FolderSource
from knowledge.sources.selection import Selection
from knowledge.sync_report import SyncReport
from knowledge.watching import FolderWatch

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

# For all that is to be ended besides the questions in flight.
_LAST_SECONDS = 10.0

# More than platforms and their admins have at work at once.
_THREADS = 64

# Long enough to outlast a look at whether the lock is held.
_AT_ONCE_SECONDS = 0.2


def serve(config: Path | None) -> None:
    """Keep the index current and answer, until SIGINT or SIGTERM; a second signal ends the process as usual.

    Told to end, it takes nothing more, finishes what is in flight within `[serve] shutdown_seconds`, and
    leaves the rest to the next start. Raises `SettingsError`, and `KnowledgeError` when something cannot
    start or another process serves.
    """
    settings = load_settings(config)
    redaction = Redaction(secrets_of(settings, os.environ))
    assembly = Assembly(settings, lambda line: log.warning(line))
    chosen = settings.serve
    log = open_log(sys.stderr, chosen.log_level, chosen.log_format, redaction.clean, assembly.metrics.logged)
    choose_sources(assembly.sources, None)
    with _alone(settings.home), forwarding(log), ThreadPoolExecutor(2, "probes") as threads:
        end_at_last = EndAtLast(chosen.shutdown_seconds + _LAST_SECONDS, log)
        asyncio.run(_serve(assembly, log, redaction, threads, end_at_last))


async def _serve(
    assembly: Assembly,
    log: FilteringBoundLogger,
    redaction: Redaction,
    threads: Executor,
    end_at_last: EndAtLast,
) -> None:
    stop = stop_event(end_at_last.begin)
    log.info("starting", pid=os.getpid(), home=str(assembly.settings.home))
    readiness = Readiness(stop)
    probes = Probes(readiness, assembly.metrics, threads, redaction.clean)
    try:
        async with _watched(probes, assembly.settings.serve, log):
            starting = asyncio.create_task(asyncio.to_thread(build_keeping, assembly, log))
            await asyncio.wait({starting, asyncio.create_task(stop.wait())}, return_when="FIRST_COMPLETED")
            if not starting.done():
                end_at_last.at_once()
            await _run(await starting, assembly, log, readiness, threads, stop)
    finally:
        await assembly.close()
        log.info("stopped")


async def _run(
    keeping_current: Service,
    assembly: Assembly,
    log: FilteringBoundLogger,
    readiness: Readiness,
    threads: Executor,
    stop: asyncio.Event,
) -> None:
    connectors = build_connectors(assembly, log, os.environ)
    assembly.metrics.register(LiveMetrics(assembly, bool(connectors), log))
    of_servers = ServerMetrics()
    assembly.server_events.add(of_servers)
    assembly.metrics.register(of_servers)
    checks = needs(assembly, threads)
    keep_days = assembly.settings.journal.keep_days
    retention = Retention(lambda: assembly.journal.database, keep_days, log)
    keeping = [keeping_current, retention.run, *_vector_upkeep(assembly, log)]
    lesser = impairments(assembly, threads)
    if not connectors:
        readiness.begin(checks, lesser)
        await run_services(keeping, stop)
        return
    # Names of hosts are looked up and the journal is read in these, which must not wait for long work.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "work"))
    warming, names = Warming(assembly.warm_up, log), [connector.name for connector in connectors]
    readiness.begin(checks | needs_to_answer(assembly, warming, names, threads), lesser)
    platforms = [partial(supervise, connector, log) for connector in connectors]
    # What this process took stays its own until the platforms have seen it through.
    async with beside(assembly.inbox.run):
        await run_services([*keeping, warming.run, *platforms], stop)


@asynccontextmanager
async def _watched(probes: Probes, chosen: ServeSettings, log: FilteringBoundLogger) -> AsyncIterator[None]:
    """Serve the pages for those who watch, where the settings name a port."""
    if not chosen.health_port:
        yield
        return
    async with served(probes.application(), chosen.health_host, chosen.health_port):
        log.info("watched at", address=f"http://{chosen.health_host}:{chosen.health_port}")
        yield


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


def build_keeping(assembly: Assembly, log: FilteringBoundLogger) -> Service:
    """What keeps the index current: this process, or whichever of several leads. Raises `KnowledgeError`."""
    upkeep = build_upkeep(assembly, log)
    if assembly.leadership is None:
        return upkeep.run
    # The schedule is read in its loop, and a database that is away lets it wait for seconds.
    return Leading(
        assembly.leadership, lambda: partial(in_own_loop, build_upkeep(assembly, log).run), log
    ).run


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


def _vector_upkeep(assembly: Assembly, log: FilteringBoundLogger) -> Iterator[Service]:
    """What looks after the vectors between syncs, where they are on a server."""
    if assembly.settings.chroma.url is None:
        return

    def catch_up() -> None:
        with assembly.editions.reading() as edition:
            edition.catch_up()

    def is_syncing() -> bool:
        return any(assembly.is_syncing(source.name) for source in assembly.settings.sources)

    yield VectorUpkeep(catch_up, is_syncing, log).run


class _Index:
    """The assembly's index as `bot.upkeep.Index`."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._synchronizer = assembly.synchronizer
        self._options = sync_options(assembly.settings.sync)

    def sync(self, name: str, cancelled: threading.Event) -> SyncReport:
        synced = self._assembly.metrics.synced
        try:
            report = self._sync(name, cancelled)
        except SyncBusyError:
            synced(name, "busy")
            raise
        except Exception:
            synced(name, "failed")
            raise
        synced(name, "cancelled" if report.cancelled else "complete")
        return report

    def _sync(self, name: str, cancelled: threading.Event) -> SyncReport:
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
