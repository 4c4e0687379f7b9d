"""`lorebot serve` keeps the index current as a process; other commands see, pause and resume its sources."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.health import Health
from bot.progress import RunNote, RunNotes
from knowledge.locking import FileLocks
from knowledge.records import SyncRecord
from knowledge.sync_report import SyncProgress

Lorebot = Callable[..., Any]
CEILING = 120.0

# What status says

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def run(minutes_ago: int, outcome: str) -> SyncRecord:
    at = NOW - timedelta(minutes=minutes_ago)
    return SyncRecord("office", at, None if outcome == "running" else at, outcome, {})


def health(
    last: SyncRecord | None = None,
    failed: tuple[SyncRecord, ...] = (),
    running: RunNote | None = None,
    paused_since: datetime | None = None,
    next_run: datetime | None = None,
) -> Health:
    return Health(last, failed, running, paused_since, next_run)


def clock(moment: datetime) -> str:
    return moment.astimezone().strftime("%H:%M")


def test_a_current_source_says_when_it_was_checked_and_comes_next() -> None:
    current = health(run(3, "complete"), next_run=NOW + timedelta(minutes=12, seconds=30))
    assert current.words(NOW) == "current, checked 3 minutes ago, next in 12 minutes"


def test_a_failing_source_says_since_when_how_often_why_and_when_it_is_tried_again() -> None:
    failed = tuple(run(minutes, "failed: The share is not mounted.") for minutes in (5, 30, 50))
    failing = health(failed[0], failed, next_run=NOW + timedelta(minutes=55))
    assert failing.words(NOW) == (
        f"failing since {clock(NOW - timedelta(minutes=50))}, 3 times: The share is not mounted; "
        f"tried again at {clock(NOW + timedelta(minutes=55))}"
    )


def test_a_failing_source_that_is_not_followed_promises_nothing() -> None:
    failed = run(5, "failed: The share is not mounted.")
    assert health(failed, (failed,)).words(NOW).endswith("once: The share is not mounted")


def test_a_paused_source_says_since_when() -> None:
    paused = health(run(30, "complete"), paused_since=NOW - timedelta(minutes=10))
    since = clock(NOW - timedelta(minutes=10))
    assert paused.words(NOW) == f"paused since {since}; checked 30 minutes ago"


def test_another_day_is_named() -> None:
    paused = health(paused_since=NOW - timedelta(days=3))
    assert paused.words(NOW) == f"paused since 2026-02-27 {clock(NOW - timedelta(days=3))}"


def test_a_source_that_was_never_synced_says_what_to_do() -> None:
    assert health().words(NOW) == "never synced: run `lorebot sync` or `lorebot serve`"


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (RunNote("listing", 0, 0), "running: listing its documents"),
        (RunNote("documents", 120, 800), "running: 120 of 800 documents"),
        (RunNote("index", 800, 800), "running: building the vector index"),
    ],
)
def test_a_running_source_says_how_far_it_is(note: RunNote, words: str) -> None:
    assert health(run(1, "running"), running=note).words(NOW) == words


@pytest.mark.parametrize("outcome", ["running", "interrupted", "cancelled"])
def test_a_run_that_was_broken_off_goes_on_later(outcome: str) -> None:
    broken = health(run(90, outcome), next_run=NOW)
    assert broken.words(NOW).startswith("interrupted: the next run goes on from there")


# Progress that other processes see


def test_progress_is_noted_while_a_run_lasts(tmp_path: Path) -> None:
    notes, shown = RunNotes(tmp_path), []
    with notes.noting(shown.append) as on_progress:
        on_progress(SyncProgress("office", "documents", 1, 8, "a.md"))
        during = RunNotes(tmp_path).read("office")
        on_progress(SyncProgress("office", "documents", 2, 8, "b.md"))
        soon_after = notes.read("office")
    assert (during, soon_after) == (RunNote("documents", 1, 8), RunNote("documents", 1, 8))
    assert [step.done for step in shown] == [1, 2]
    assert notes.read("office") is None


def test_status_shows_the_progress_of_a_run_in_another_process(lorebot: Lorebot, office: Path) -> None:
    home = office / "home"
    with (
        FileLocks(home / "locks").holding("office"),
        RunNotes(home / "running").noting(lambda step: None) as on_progress,
    ):
        on_progress(SyncProgress("office", "documents", 120, 800))
        during = status(lorebot)
    assert (during["condition"], during["done"], during["total"]) == ("running", 120, 800)
    assert during["health"] == "running: 120 of 800 documents"


def test_status_does_not_believe_the_note_of_a_run_that_was_killed(lorebot: Lorebot, office: Path) -> None:
    notes = office / "home" / "running"
    notes.mkdir(parents=True)
    (notes / "office.json").write_text('{"phase": "documents", "done": 120, "total": 800}')
    assert status(lorebot)["condition"] == "never synced"


# Pausing


def status(lorebot: Lorebot) -> dict[str, Any]:
    """What `status --json` says of the only source."""
    done = lorebot("status", "--json")
    assert done.code == 0, done.err
    (source,) = json.loads(done.out)["sources"]
    return dict(source)


def test_a_source_is_paused_and_resumed(lorebot: Lorebot, office: Path) -> None:
    paused = json.loads(lorebot("sources", "pause", "office", "--json").out)
    during = status(lorebot)
    resumed = lorebot("sources", "resume", "office")
    assert (paused["done"], paused["source"]) == ("paused", "office")
    assert (during["condition"], during["health"][:13]) == ("paused", "paused since ")
    assert during["paused_since"] is not None
    assert "is followed again" in resumed.out
    assert status(lorebot)["condition"] == "never synced"


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_only_a_configured_source_can_be_paused(lorebot: Lorebot, office: Path, command: str) -> None:
    done = lorebot("sources", command, "ofice")
    assert done.code == 2
    assert "there is no source 'ofice'; did you mean 'office'?" in done.err


def test_a_paused_source_is_synced_by_its_name_and_says_that_it_is_paused(
    lorebot: Lorebot, office: Path
) -> None:
    lorebot("sources", "pause", "office")
    done = lorebot("sync", "office", "--json")
    assert json.loads(done.out)["added"] == 2
    assert "Source office is paused and is synced this once" in " ".join(done.err.split())


def test_a_sync_of_everything_leaves_out_what_is_paused(lorebot: Lorebot, office: Path) -> None:
    lorebot("sources", "pause", "office")
    done = lorebot("sync", "--json")
    assert (done.code, json.loads(done.out)["added"]) == (0, 0)
    assert "Source office is paused and is left out" in " ".join(done.err.split())


def test_a_source_that_is_being_synced_is_refused_in_one_line(lorebot: Lorebot, office: Path) -> None:
    with FileLocks(office / "home" / "locks").holding("office"):
        done = lorebot("sync", "office")
    assert done.code == 1
    assert "Another sync of 'office' is running (pid " in " ".join((done.out + done.err).split())


# The process


class Serving:
    """A `lorebot serve` process and the lines of its log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "serve.log"
        with self.log.open("ab") as log:
            command = [sys.executable, "-c", "from bot.cli import main; main()", "serve"]
            self.process = subprocess.Popen(command, cwd=folder, stderr=log, stdout=log)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]

    def until(self, condition: Callable[[], object]) -> None:
        ends = time.monotonic() + CEILING
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < ends, self.log.read_text()
            time.sleep(0.05)

    def until_said(self, event: str, times: int = 1) -> None:
        self.until(lambda: [line["event"] for line in self.lines()].count(event) >= times)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(CEILING)


@contextmanager
def serving(folder: Path) -> Iterator[Serving]:
    started = Serving(folder)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def without_sources(office: Path) -> None:
    (office / "lorebot.toml").write_text('home = "home"\n')


def test_serve_without_sources_says_what_to_add(lorebot: Lorebot, office: Path) -> None:
    without_sources(office)
    done = lorebot("serve")
    assert done.code == 2
    assert done.err == "lorebot: no sources are configured; add a [[sources]] table to lorebot.toml\n"


def found(lorebot: Lorebot, question: str) -> str:
    return " ".join(
        passage["text"] for passage in json.loads(lorebot("search", question, "--json").out)["passages"]
    )


@pytest.mark.slow
@pytest.mark.timeout(3 * CEILING)
def test_what_is_saved_is_found_and_a_signal_ends_it_cleanly(lorebot: Lorebot, office: Path) -> None:
    with serving(office) as service:
        service.until_said("synced")
        follows, *_ = [line for line in service.lines() if line["event"] == "following"]
        before = status(lorebot)
        second = lorebot("serve")
        (office / "documents" / "parking.md").write_text("# Parking\n\n## Visitors\n\nThe code is 8216.\n")
        service.until_said("synced", 2)
        answer = found(lorebot, "What is the barrier code for visitors?")
        code = service.end(signal.SIGTERM)
    assert (follows["source"], follows["next"]) == ("office", "at once")
    assert follows["follows"] == f"folder {office / 'documents'}, watched"
    assert before["condition"] == "current"
    assert ", next in " in before["health"]
    assert second.code == 1
    assert "Another `lorebot serve` keeps" in second.err
    assert "8216" in answer and "4711" not in answer
    assert code == 0
    assert service.lines()[-1]["event"] == "stopped"


@pytest.mark.slow
@pytest.mark.timeout(3 * CEILING)
def test_a_killed_service_takes_its_schedule_up_again(lorebot: Lorebot, office: Path) -> None:
    config = office / "lorebot.toml"
    config.write_text(config.read_text() + "watch = false\n")
    with serving(office) as service:
        service.until_said("synced")
        service.until(lambda: status(lorebot)["condition"] == "current")
        due = status(lorebot)["next_run"]
        service.end(signal.SIGKILL)
    ended = json.loads(lorebot("status", "--json").out)
    with serving(office) as service:
        service.until_said("following", 2)
        again = status(lorebot)
        code = service.end(signal.SIGINT)
    assert ended["serving"] is False
    assert (again["next_run"], again["condition"]) == (due, "current")
    assert [line["event"] for line in service.lines()].count("synced") == 1
    assert code == 0


@pytest.mark.slow
@pytest.mark.timeout(3 * CEILING)
def test_a_source_resumed_by_a_command_is_synced_by_the_service(lorebot: Lorebot, office: Path) -> None:
    lorebot("sources", "pause", "office")
    with serving(office) as service:
        service.until_said("following")
        paused = status(lorebot)
        lorebot("sources", "resume", "office")
        service.until_said("synced")
        service.end(signal.SIGTERM)
    assert (paused["condition"], paused["documents"]) == ("paused", 0)
    assert status(lorebot)["documents"] == 2
