"""Sources are synced when they are due and when they change, each by itself, whatever fails or restarts."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "knowledge"))

from index_standins import MemorySource, ParagraphChunker, WordEmbedder, to_markdown

from bot.jobs import JobTable, StoredJob, open_job_file
from bot.logs import open_log
from bot.schedule import Schedule, parse_schedule
from bot.settings import SettingsError, load_settings
from bot.upkeep import KeptSource, Upkeep, Watch
from knowledge.chroma import ChromaVectors
from knowledge.documents import RawDocument, Source
from knowledge.edition_folders import EditionFolders
from knowledge.editions import Editions
from knowledge.locking import FileLocks
from knowledge.records import SyncRecord
from knowledge.sources.folder import FolderSource
from knowledge.sources.selection import EXCLUDED_BY_DEFAULT, Selection
from knowledge.sync import Synchronizer
from knowledge.sync_report import SyncReport
from knowledge.watching import FolderWatch

CEILING = 60.0
DAY = timedelta(days=1)

# What a schedule says


@pytest.mark.parametrize(
    ("text", "interval", "words"),
    [
        ("15m", timedelta(minutes=15), "every 15 minutes"),
        (" 6H ", timedelta(hours=6), "every 6 hours"),
        ("1 d", timedelta(days=1), "every day"),
        ("never", None, "never"),
    ],
)
def test_an_interval_is_a_number_and_a_unit(text: str, interval: timedelta | None, words: str) -> None:
    schedule = parse_schedule(text)
    now = datetime.now(UTC)
    assert schedule.words == words
    assert schedule.next_after(now) == (None if interval is None else now + interval)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 6 * * *", (2026, 3, 3, 6, 0)),
        ("*/10 * * * *", (2026, 3, 2, 12, 10)),
        ("0 6 * * 0", (2026, 3, 8, 6, 0)),  # Sunday is 0, as in crontab(5), and 7
        ("0 6 * * 7", (2026, 3, 8, 6, 0)),
        ("0 6 * * 5-7", (2026, 3, 6, 6, 0)),
        ("0 6 * * tue", (2026, 3, 3, 6, 0)),
        ("0 6 * * */2", (2026, 3, 3, 6, 0)),
        ("0 6 1 * *", (2026, 4, 1, 6, 0)),
    ],
)
def test_a_cron_line_means_what_cron_means(line: str, expected: tuple[int, ...]) -> None:
    monday = datetime(2026, 3, 2, 12, 5).astimezone()
    following = parse_schedule(line).next_after(monday)
    assert following == datetime(*expected).astimezone()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hourly", "write an interval as in '15m', '6h' or '1d', a cron line as in '0 6 * * *', or 'never'"),
        ("0m", "write an interval"),
        ("900d", "a year is the longest interval"),
        ("61 6 * * *", "not a cron line"),
        ("0 6 31 2 *", "never comes"),
        ("0 6 * * 9", "'9' is no weekday"),
        ("0 6 1 * 1", "write * for one of them"),
    ],
)
def test_a_schedule_that_cannot_be_read_is_named_with_its_fix(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "lorebot.toml"
    config.write_text(f'[[sources]]\nname = "a"\nkind = "folder"\npath = "."\nschedule = "{text}"\n')
    with pytest.raises(SettingsError) as caught:
        load_settings(config)
    assert "'sources.0.schedule': " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "schedule"),
    [
        ('kind = "folder"\npath = "."', "1h"),
        ('kind = "git"\nurl = "https://git.example/a.git"', "15m"),
        ('kind = "website"\nurl = "https://help.example/"', "6h"),
        ('kind = "feed"\nurl = "https://blog.example/feed.xml"', "30m"),
        ('kind = "objects"\nurl = "memory://a"', "1h"),
    ],
)
def test_each_kind_has_a_schedule_of_its_own(tmp_path: Path, kind: str, schedule: str) -> None:
    config = tmp_path / "lorebot.toml"
    config.write_text(f'[[sources]]\nname = "a"\n{kind}\n')
    assert load_settings(config).sources[0].schedule == schedule


@pytest.mark.parametrize("text", ["15m", "0 * * * *", "0 6 * * *"])
def test_pauses_after_failures_double_up_to_a_day(text: str) -> None:
    schedule, now = parse_schedule(text), datetime.now(UTC)
    pauses = [(schedule.retry_after(now, failures) or now) - now for failures in range(1, 9)]
    assert pauses[:3] == [timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2)]
    assert pauses[6:] == [DAY, DAY]
    assert schedule.retry_after(now, 10_000) == now + DAY


def test_a_source_that_is_never_due_is_not_tried_again() -> None:
    assert parse_schedule("never").retry_after(datetime.now(UTC), 1) is None


# Keeping sources current


@dataclass
class GatedSource(MemorySource):
    """A source each of whose readings waits for the test, and which counts readings at one time."""

    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    reading: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    now: int = 0
    most: int = 0

    def read(self, uri: str) -> RawDocument:
        self.now += 1
        self.most = max(self.most, self.now)
        self.reading.release()
        assert self.gate.acquire(timeout=CEILING)
        self.now -= 1
        return super().read(uri)


class Team:
    """A home with a real index, and the service that keeps it current, which can be started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.sources: dict[str, Source] = {}
        self.schedules: dict[str, Schedule] = {}
        self.watches: dict[str, Watch] = {}
        self.editions = Editions(EditionFolders(home / "index"), self._announced, ChromaVectors)
        self.embedder = WordEmbedder()
        self.log = io.StringIO()
        self.runs: list[str] = []

    def _announced(self, line: str) -> None:
        raise AssertionError(line)

    def add(self, source: Source, schedule: str, *, watched: Path | None = None) -> None:
        self.sources[source.name] = source
        self.schedules[source.name] = parse_schedule(schedule)
        if watched is not None:
            self.watches[source.name] = FolderWatch(
                watched, Selection(("**/*",), EXCLUDED_BY_DEFAULT)
            ).changes

    def drop(self, name: str) -> None:
        for kept in (self.sources, self.schedules, self.watches):
            kept.pop(name, None)

    # The index, as `Upkeep` sees it

    def sync(self, name: str, cancelled: threading.Event) -> SyncReport:
        self.runs.append(name)
        synchronizer = Synchronizer(
            self.editions,
            self.embedder,
            ParagraphChunker(),
            to_markdown,
            FileLocks(self.home / "locks"),
            "words",
            list(self.sources),
        )
        return synchronizer.sync(self.sources[name], on_progress=lambda step: None, cancelled=cancelled)

    def failures(self, name: str) -> int:
        return len(self.editions.live().catalog.failing(name))

    def waiting(self) -> Collection[str]:
        return ()

    # The service

    @asynccontextmanager
    async def kept_current(self) -> AsyncIterator[None]:
        """Run the service for the block."""
        lasts = self.editions.live().catalog.last_syncs()
        sources = [
            KeptSource(name, "", self.schedules[name], self.watches.get(name), lasts.get(name))
            for name in self.sources
        ]
        table = open_job_file(self.home / "schedule.sqlite")
        service = asyncio.create_task(Upkeep(sources, table, self, open_log(self.log, "debug")).run())
        try:
            yield
            assert not service.done()
        finally:
            service.cancel()
            await asyncio.gather(service, return_exceptions=True)
            table.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(CEILING):
            while not condition():
                await asyncio.sleep(0.02)

    async def until_synced(self, name: str, times: int = 1) -> None:
        await self.until(lambda: len(self.said("synced", name)) >= times)

    def said(self, event: str, name: str) -> list[dict[str, Any]]:
        """The lines of the log about this event of a source."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if (line["event"], line.get("source")) == (event, name)]

    def last(self, name: str) -> SyncRecord:
        return self.editions.live().catalog.last_syncs()[name]

    def texts(self) -> set[str]:
        catalog = self.editions.live().catalog
        return {passage.text for passage in catalog.unfiltered_passages(range(1, 1000)).values()}

    def due(self, name: str) -> datetime:
        """When the next run of a source is due, as any process sees it."""
        with self.table() as table:
            moment = table.jobs()[name].next_run_time
            assert moment is not None
            return moment

    def table(self) -> Opened:
        return Opened(self.home / "schedule.sqlite")


class Opened:
    """The table of jobs as another process opens it."""

    def __init__(self, path: Path) -> None:
        self.table = open_job_file(path)

    def __enter__(self) -> JobTable:
        return self.table

    def __exit__(self, *_: object) -> None:
        self.table.close()


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    team = Team(tmp_path / "home")
    yield team
    team.editions.close()


@pytest.fixture
def source() -> MemorySource:
    source = MemorySource()
    source.put("lunch.md", "Lunch is at noon.")
    return source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "lunch.md").write_text("Lunch is at noon.")
    return folder


def folder_source(folder: Path) -> FolderSource:
    return FolderSource("office", folder, frozenset({"everyone"}))


def soon(wait: timedelta, moment: datetime, slack: timedelta = timedelta(minutes=2)) -> bool:
    """Whether a moment lies about so far ahead."""
    return abs(moment - datetime.now(UTC) - wait) < slack


async def test_a_source_that_was_never_synced_is_synced_at_the_start(
    team: Team, source: MemorySource
) -> None:
    team.add(source, "1d")
    async with team.kept_current():
        await team.until_synced("handbook")
    assert team.texts() == {"Lunch is at noon."}
    assert soon(DAY, team.due("handbook"))


async def test_a_source_is_synced_again_and_again(team: Team, source: MemorySource) -> None:
    team.add(source, "1s")
    async with team.kept_current():
        await team.until_synced("handbook")
        source.put("lunch.md", "Lunch is at one.")
        await team.until(lambda: team.texts() == {"Lunch is at one."})
        await team.until_synced("handbook", 3)


async def test_a_source_is_synced_by_a_cron_line(team: Team, source: MemorySource) -> None:
    team.add(source, "1s")
    team.schedules["handbook"] = Schedule("by cron line", cron="* * * * *")
    team.editions.live()
    async with team.kept_current():
        await team.until_synced("handbook")
    assert team.due("handbook") - datetime.now(UTC) < timedelta(seconds=70)


async def test_a_run_that_changes_nothing_is_told_only_at_the_level_of_debugging(
    team: Team, source: MemorySource
) -> None:
    team.add(source, "1s")
    async with team.kept_current():
        await team.until_synced("handbook", 2)
    first, second, *_ = team.said("synced", "handbook")
    assert (first["level"], first["added"], second["level"], second["added"]) == ("info", 1, "debug", 0)


async def test_a_saved_file_is_indexed_without_waiting_for_the_schedule(team: Team, folder: Path) -> None:
    team.add(folder_source(folder), "1d", watched=folder)
    async with team.kept_current():
        await team.until_synced("office")
        (folder / "tea.md").write_text("Tea is at four.")
        await team.until(lambda: "Tea is at four." in team.texts())
        (folder / "lunch.md").unlink()
        await team.until(lambda: team.texts() == {"Tea is at four."})


async def test_a_watched_folder_needs_no_schedule(team: Team, folder: Path) -> None:
    team.add(folder_source(folder), "never", watched=folder)
    async with team.kept_current():
        await team.until(lambda: team.texts() == {"Lunch is at noon."})


async def test_a_source_that_is_never_due_and_not_watched_is_left_alone(
    team: Team, source: MemorySource, folder: Path
) -> None:
    team.add(source, "never")
    team.add(folder_source(folder), "1s")
    async with team.kept_current():
        await team.until_synced("office", 2)
    assert "handbook" not in team.runs


async def test_a_change_during_a_run_is_followed_by_another_run(team: Team, folder: Path) -> None:
    class SlowFolder:
        """The folder, read only when the test lets it."""

        name, audience = "office", frozenset({"everyone"})
        started, go = threading.Event(), threading.Event()
        inner = folder_source(folder)

        def list(self) -> Any:
            return self.inner.list()

        def read(self, uri: str) -> RawDocument:
            raw = self.inner.read(uri)
            self.started.set()
            assert self.go.wait(CEILING)
            return raw

    slow = SlowFolder()
    team.add(slow, "1d", watched=folder)
    async with team.kept_current():
        await team.until(slow.started.is_set)
        (folder / "lunch.md").write_text("Lunch is at one o'clock.")
        await asyncio.sleep(1)  # the change is seen while the run is on
        slow.go.set()
        await team.until(lambda: team.texts() == {"Lunch is at one o'clock."})


async def test_a_source_has_one_run_at_a_time(team: Team) -> None:
    source = GatedSource()
    source.put("lunch.md", "Lunch is at noon.")
    team.add(source, "1s")
    async with team.kept_current():
        await team.until(lambda: source.reading.acquire(blocking=False))
        await asyncio.sleep(2.5)  # two more would have been due
        source.gate.release()
        await team.until_synced("handbook")
        source.gate.release(100)
    assert (source.most, source.reads) == (1, ["lunch.md"])


async def test_a_slow_source_does_not_keep_another_from_its_run(team: Team, folder: Path) -> None:
    slow = GatedSource()
    slow.put("lunch.md", "Lunch is at noon.")
    team.add(slow, "1d")
    team.add(folder_source(folder), "1s")
    async with team.kept_current():
        await team.until_synced("office", 2)
        slow.gate.release()
        await team.until_synced("handbook")


# Failures


async def test_a_source_that_fails_is_tried_again_after_a_pause_that_grows(
    team: Team, source: MemorySource
) -> None:
    source.listing_fails_after = 0
    team.add(source, "1h")
    for failures, wait in enumerate([timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2)], start=1):
        async with team.kept_current():
            await team.until(lambda failures=failures: len(team.said("sync failed", "handbook")) == failures)
        assert team.failures("handbook") == failures
        assert soon(wait, team.due("handbook"))
        with team.table() as table:
            table.put(StoredJob("handbook", "every hour", datetime.now(UTC)))
    (first, *_) = team.said("sync failed", "handbook")
    assert (first["error"], first["failures"]) == ("The share is not mounted.", 1)


async def test_a_success_ends_the_pauses(team: Team, source: MemorySource) -> None:
    source.listing_fails_after = 0
    team.add(source, "1h")
    async with team.kept_current():
        await team.until(lambda: bool(team.said("sync failed", "handbook")))
    source.listing_fails_after = None
    with team.table() as table:
        table.put(StoredJob("handbook", "every hour", datetime.now(UTC)))
    async with team.kept_current():
        await team.until_synced("handbook")
    assert team.failures("handbook") == 0
    assert soon(timedelta(hours=1), team.due("handbook"), timedelta(minutes=10))


async def test_a_fault_in_one_source_ends_neither_its_schedule_nor_the_others(
    team: Team, source: MemorySource, folder: Path
) -> None:
    def broken() -> Iterator[Any]:
        raise ZeroDivisionError("by zero")

    source.list = broken
    team.add(source, "1d")
    team.add(folder_source(folder), "1s")
    async with team.kept_current():
        await team.until(lambda: bool(team.said("sync failed", "handbook")))
        await team.until_synced("office", 2)
    assert "by zero" in team.said("sync failed", "handbook")[0]["error"]


async def test_a_folder_that_was_away_is_synced_when_it_is_back(team: Team, folder: Path) -> None:
    team.add(folder_source(folder), "1d", watched=folder)
    async with team.kept_current():
        await team.until_synced("office")
        folder.rename(folder.with_name("away"))
        await team.until(lambda: bool(team.said("sync failed", "office")))
        (folder.with_name("away") / "tea.md").write_text("Tea is at four.")
        folder.with_name("away").rename(folder)
        await team.until(lambda: "Tea is at four." in team.texts())


# Pausing


async def test_a_paused_source_is_synced_neither_when_due_nor_when_changed(
    team: Team, source: MemorySource, folder: Path
) -> None:
    team.add(source, "1s")
    team.add(folder_source(folder), "1d", watched=folder)
    team.add(MemorySource("clock"), "1s")
    async with team.kept_current():
        await team.until_synced("handbook")
        await team.until_synced("office")
        with team.table() as table:  # as another process does
            table.pause("handbook")
            table.pause("office")
        await team.until(lambda: bool(team.said("paused", "handbook")))
        source.put("tea.md", "Tea is at four.")
        (folder / "tea.md").write_text("Tea is at five.")
        ticks = len(team.said("synced", "clock"))
        await team.until_synced("clock", ticks + 2)
        assert team.texts() == {"Lunch is at noon."}


async def test_a_resumed_source_is_synced_within_seconds(team: Team, source: MemorySource) -> None:
    team.add(source, "1d")
    with team.table() as table:
        table.pause("handbook")
    async with team.kept_current():
        await asyncio.sleep(0.2)
        with team.table() as table:
            table.resume("handbook")
        await team.until_synced("handbook")
    assert team.texts() == {"Lunch is at noon."}


# Restarts


async def test_a_run_that_was_missed_happens_once_at_the_start(team: Team, source: MemorySource) -> None:
    team.add(source, "1h")
    async with team.kept_current():
        await team.until_synced("handbook")
    with team.table() as table:
        table.put(StoredJob("handbook", "every hour", datetime.now(UTC) - 3 * DAY))
    async with team.kept_current():
        await team.until_synced("handbook", 2)
        await asyncio.sleep(0.5)
    assert team.runs == ["handbook", "handbook"]
    assert soon(timedelta(hours=1), team.due("handbook"), timedelta(minutes=10))


async def test_a_restart_keeps_when_the_next_run_is_due(team: Team, source: MemorySource) -> None:
    team.add(source, "1h")
    async with team.kept_current():
        await team.until_synced("handbook")
    before = team.due("handbook")
    async with team.kept_current():
        await asyncio.sleep(0.3)
    assert (team.due("handbook"), team.runs) == (before, ["handbook"])


async def test_a_changed_schedule_holds_from_the_next_start_on(team: Team, source: MemorySource) -> None:
    team.add(source, "1d")
    async with team.kept_current():
        await team.until_synced("handbook")
    team.add(source, "1h")
    async with team.kept_current():
        await asyncio.sleep(0.1)
    assert soon(timedelta(hours=1), team.due("handbook"), timedelta(minutes=10))


async def test_a_source_that_has_left_the_settings_loses_its_job_and_its_pause(
    team: Team, source: MemorySource
) -> None:
    team.add(source, "1h")
    async with team.kept_current():
        await team.until_synced("handbook")
    with team.table() as table:
        table.pause("handbook")
    team.drop("handbook")
    async with team.kept_current():
        await asyncio.sleep(0.1)
    with team.table() as table:
        assert (table.jobs(), table.paused()) == ({}, {})


async def test_a_run_that_was_stopped_keeps_what_it_has_and_goes_on_at_the_next_start(team: Team) -> None:
    source = GatedSource()
    for n in range(40):
        source.put(f"{n:02}.md", f"Document {n}.")
    team.add(source, "1d")
    async with team.kept_current():
        source.gate.release(34)  # 32 are published together
        await team.until(lambda: len(team.texts()) == 32)
        asyncio.get_running_loop().call_later(0.2, source.gate.release, 100)  # when it has been told to stop
    assert team.last("handbook").outcome == "cancelled"
    async with team.kept_current():
        await team.until_synced("handbook")
    assert len(team.texts()) == 40
    assert len(team.embedder.embedded) == 40
