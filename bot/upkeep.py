"""Keeps the index current: syncs each source on its schedule, and when its folder changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from bot.jobs import JobTable
from bot.schedule import Schedule
from knowledge.documents import KnowledgeError
from knowledge.locking import SyncBusyError
from knowledge.records import CANCELLED, INTERRUPTED, RUNNING, SyncRecord
from knowledge.sync_report import SyncReport

if TYPE_CHECKING:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler
    from structlog.typing import FilteringBoundLogger

_LOOK_SECONDS = 2.0
_BUSY_SECONDS = 5.0
_LONGEST_PAUSE = 2.0

Watch = Callable[[threading.Event, Callable[[str], None]], Iterator[None]]


@dataclass(frozen=True, slots=True)
class KeptSource:
    """A source to keep current. `watch` yields, until the event is set, whenever documents may have changed.

    `last` is its newest run before.
    """

    name: str
    follows: str
    schedule: Schedule
    watch: Watch | None
    last: SyncRecord | None


@dataclass(frozen=True, slots=True)
class _Ran:
    """What became of one run: a report, or the error's line after so many failures in a row."""

    report: SyncReport | None = None
    error: str = ""
    failures: int = 0
    is_busy: bool = False
    waiting: frozenset[str] = frozenset()


class Index(Protocol):
    """What is kept current. The methods block, and raise `KnowledgeError`."""

    def sync(self, name: str, cancelled: threading.Event) -> SyncReport:
        """Run one source. Raises `SyncBusyError` while another process does."""
        ...

    def failures(self, name: str) -> int:
        """How often in a row a source has failed by now."""
        ...

    def waiting(self) -> Collection[str]:
        """Sources without whose run an index that is built with other settings does not take over."""
        ...


class Upkeep:
    """Runs until it is cancelled; then it stops the syncs, waits for them, and returns.

    A source has one run at a time. A change that is seen while one is on is followed by another run. A source
    that fails is tried again after pauses that grow, and one that is paused is left alone, also when another
    process pauses it. Syncs and watches have threads of their own.
    """

    def __init__(
        self,
        sources: Sequence[KeptSource],
        table: JobTable,
        index: Index,
        log: FilteringBoundLogger,
    ) -> None:
        self._sources = {source.name: source for source in sources}
        self._table = table
        self._index = index
        self._log = log
        self._stopping = threading.Event()
        self._stopped = asyncio.Event()
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._changed: set[str] = set()
        self._awaited: set[str] = set()
        self._threads = ThreadPoolExecutor(1 + 2 * len(self._sources), "upkeep")
        self._scheduler = self._make_scheduler()

    async def run(self) -> None:
        """Follow the sources. Raises `KnowledgeError` when the schedule cannot be kept."""
        loop = asyncio.get_running_loop()
        self._scheduler.start(paused=True)
        try:
            self._take_up()
            self._scheduler.resume()
            async with asyncio.TaskGroup() as group:
                for source in self._sources.values():
                    if source.watch is not None:
                        group.create_task(self._watch(source.name, source.watch))
                group.create_task(self._notice_pauses())
        finally:
            self._stopping.set()
            self._stopped.set()
            await asyncio.gather(*self._runs.values(), return_exceptions=True)
            self._scheduler.shutdown(wait=False)
            await loop.run_in_executor(None, self._threads.shutdown)

    def _make_scheduler(self) -> AsyncIOScheduler:
        from apscheduler.schedulers.asyncio import AsyncIOScheduler

        from bot.job_store import SourceJobStore

        # What it says of single jobs is said here, in a person's words.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        schedules = {source.name: source.schedule for source in self._sources.values()}
        store = SourceJobStore(self._table, schedules, self._run_as_scheduled)
        return AsyncIOScheduler(jobstores={"default": store}, timezone=UTC)

    def _take_up(self) -> None:
        """Fit the jobs of the last time to the settings of today, and say what comes."""
        self._table.keep_only(self._sources)
        jobs, paused = self._table.jobs(), self._table.paused()
        for source in self._sources.values():
            job = jobs.get(source.name)
            is_same = job is not None and job.schedule == source.schedule.words
            if job is not None and not is_same:
                self._scheduler.remove_job(source.name)
            if not is_same and source.schedule.next_after(_now()) is not None:
                self._add_job(source)
            if is_same and _is_unfinished(source.last):
                self._scheduler.modify_job(source.name, next_run_time=_now())
            self._announce(source, paused.get(source.name))

    def _add_job(self, source: KeptSource) -> None:
        from bot.job_store import SourceTrigger

        trigger = SourceTrigger(source.schedule)
        first = _now() if _is_unfinished(source.last) else trigger.get_next_fire_time(None, _now())
        self._scheduler.add_job(
            self._run_as_scheduled,
            trigger,
            args=(source.name,),
            id=source.name,
            misfire_grace_time=None,
            next_run_time=first,
        )

    def _announce(self, source: KeptSource, paused: datetime | None) -> None:
        job = self._scheduler.get_job(source.name)
        due = job.next_run_time if job is not None else None
        times: dict[str, str] = {}
        if paused is not None:
            times["paused_since"] = _shown(paused)
        elif due is not None:
            times["next"] = "at once" if due <= _now() else _shown(due)
        self._log.info(
            "following", source=source.name, follows=source.follows, schedule=source.schedule.words, **times
        )

    async def _run_as_scheduled(self, name: str) -> None:
        await asyncio.wait([self._begin(name)])

    async def _notice_pauses(self) -> None:
        """Sync a source that another process resumes, and fit the next wake-up to its job."""
        loop = asyncio.get_running_loop()
        before = self._table.paused().keys()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = (await loop.run_in_executor(self._threads, self._table.paused)).keys()
            for name in (before ^ now) & self._sources.keys():
                self._log.info("paused" if name in now else "resumed", source=name)
            for name in (before - now) & self._sources.keys():
                self._begin(name)
            # Each time: timers stand still while the machine sleeps.
            self._scheduler.wakeup()
            before = now

    async def _watch(self, name: str, watch: Watch) -> None:
        loop = asyncio.get_running_loop()

        def follow() -> None:
            for _ in watch(self._stopping, lambda line: self._log.warning(line, source=name)):
                loop.call_soon_threadsafe(self._note_change, name)

        try:
            await loop.run_in_executor(self._threads, follow)
        except Exception as error:
            self._log.error(
                "watching ended, the schedule goes on", source=name, error=f"{type(error).__name__}: {error}"
            )

    def _note_change(self, name: str) -> None:
        self._changed.add(name)
        self._begin(name)

    def _begin(self, name: str) -> asyncio.Task[None]:
        """The run of a source that is on, or one that begins."""
        if name not in self._runs:
            self._runs[name] = asyncio.create_task(self._keep_current(name))
        return self._runs[name]

    async def _keep_current(self, name: str) -> None:
        """Run a source until it has not changed meanwhile and no other process is at it."""
        loop = asyncio.get_running_loop()
        try:
            is_due = True
            while is_due and not self._stopping.is_set():
                self._changed.discard(name)
                began = time.monotonic()
                ran = await loop.run_in_executor(self._threads, self._run, name)
                self._tell(name, ran)
                self._reschedule(name, ran)
                self._begin_awaited(ran.waiting)
                # A source that changes all the time shall not take all the time.
                took = time.monotonic() - began
                await self._rest(_BUSY_SECONDS if ran.error else min(took, _LONGEST_PAUSE))
                is_due = name in self._changed or ran.is_busy
        finally:
            del self._runs[name]

    def _begin_awaited(self, names: frozenset[str]) -> None:
        """Run, once, what an index beside the live one waits for, whenever it would be due."""
        for name in names & self._sources.keys() - self._awaited:
            self._awaited.add(name)
            self._begin(name)

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)

    def _run(self, name: str) -> _Ran:
        """Sync a source unless it is paused, in a worker thread."""
        try:
            if name in self._table.paused():
                return _Ran()
            return _Ran(self._index.sync(name, self._stopping), waiting=frozenset(self._index.waiting()))
        except SyncBusyError as error:
            return _Ran(error=str(error), is_busy=True)
        except (KnowledgeError, OSError) as error:
            return _Ran(error=str(error), failures=self._index.failures(name))
        except Exception as error:
            return _Ran(error=f"{type(error).__name__}: {error}", failures=max(1, self._index.failures(name)))

    def _reschedule(self, name: str, ran: _Ran) -> None:
        """Count the next run from now on, and after failures put it off."""
        job = self._scheduler.get_job(name)
        if job is None or ran.is_busy:
            return
        if ran.failures:
            following = self._sources[name].schedule.retry_after(_now(), ran.failures)
        elif ran.report is None:
            return
        elif ran.report.cancelled:
            following = _now()
        else:
            following = job.trigger.get_next_fire_time(None, _now())
        job.modify(next_run_time=following)

    def _tell(self, name: str, ran: _Ran) -> None:
        """One line a run; one that found nothing new is told to those who want to know everything."""
        if ran.is_busy:
            self._log.debug("waiting for another sync", source=name, error=ran.error)
        elif ran.error:
            retry = self._sources[name].schedule.retry_after(_now(), ran.failures)
            again = {"next": _shown(retry)} if retry is not None else {}
            self._log.warning("sync failed", source=name, error=ran.error, failures=ran.failures, **again)
        elif ran.report is not None:
            report = ran.report
            counts = {
                "added": len(report.added),
                "changed": len(report.changed),
                "removed": len(report.removed),
                "failed": len(report.failed),
            }
            tell = self._log.info if any(counts.values()) else self._log.debug
            words = "sync stopped" if report.cancelled else "synced"
            tell(words, source=name, **counts, seconds=round(report.seconds, 2))


def _is_unfinished(last: SyncRecord | None) -> bool:
    """Whether a source was never synced, or its last run was broken off."""
    return last is None or last.outcome in (RUNNING, INTERRUPTED, CANCELLED)


def _now() -> datetime:
    return datetime.now(UTC)


def _shown(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
