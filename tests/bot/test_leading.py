"""Several `lorebot serve` share an index: all answer, one keeps it current, another takes over from it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from postgres import POSTGRES, cleaning, drop_indexes, drop_journal, own_database
from sqlalchemy import text

from bot.leading import Leadership, Leading
from knowledge.documents import KnowledgeError
from knowledge.postgres import SHARED_SCHEMA, open_postgres

pytestmark = pytest.mark.skipif(not POSTGRES, reason="no TEST_POSTGRES_URL")

Lorebot = Callable[..., Any]
CEILING = 240.0
LEADS = "this process keeps the index current"
FOLLOWS = "another process keeps the index current"


@pytest.fixture(autouse=True)
def database() -> Iterator[None]:
    """Nothing is kept there, before and after."""
    drop_indexes()
    drop_journal()
    yield
    drop_indexes()
    drop_journal()


@contextmanager
def leadership() -> Iterator[Leadership]:
    engine = open_postgres(own_database(), SHARED_SCHEMA)
    yield Leadership(engine)
    engine.dispose()


def break_all_connections() -> None:
    """As a restart of Postgres does."""
    with cleaning() as connection:
        others = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'lorebot %'"
        )
        connection.execute(text(f"{others} AND datname = current_database()"))


def test_one_leads_until_it_steps_down() -> None:
    with leadership() as one, leadership() as other:
        assert (one.seek(), other.seek(), one.holds(), other.holds()) == (True, False, True, False)
        assert f" pid {os.getpid()}, since " in other.leader()
        one.step_down()
        assert (other.leader(), other.seek(), one.seek()) == ("", True, False)


def test_who_loses_the_connection_leads_no_more_and_any_may_lead() -> None:
    with leadership() as one, leadership() as other:
        assert one.seek()
        break_all_connections()
        assert other.seek()
        assert (one.holds(), one.seek(), other.holds()) == (False, False, True)


async def test_what_is_kept_current_ends_with_the_lead_and_is_made_anew_for_the_next() -> None:
    begun, ended, both = asyncio.Event(), asyncio.Event(), asyncio.Event()
    made: list[int] = []

    def make() -> Callable[[], Any]:
        made.append(len(made))

        async def run() -> None:
            (both if begun.is_set() else begun).set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        return run

    with leadership() as lead:
        leading = asyncio.create_task(Leading(lead, make, structlog.get_logger()).run())
        await begun.wait()
        await asyncio.to_thread(break_all_connections)
        await ended.wait()
        await both.wait()
        leading.cancel()
        with suppress(asyncio.CancelledError):
            await leading
        assert (made, lead.leader()) == ([0, 1], "")


async def test_a_service_that_fails_lets_go_of_the_lead_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.leading._AFTER_FAILURE_SECONDS", 0.0)
    runs: list[bool] = []
    thrice = asyncio.Event()

    async def fail() -> None:
        runs.append(lead.holds())
        if len(runs) == 3:
            thrice.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(read())

    async def read() -> None:
        raise KnowledgeError("The schedule cannot be read.")

    with leadership() as lead:
        leading = asyncio.create_task(Leading(lead, lambda: fail, structlog.get_logger()).run())
        await thrice.wait()
        leading.cancel()
        with suppress(asyncio.CancelledError):
            await leading
    assert runs[:3] == [True, True, True]


class Machine:
    """A `lorebot serve` with a home of its own, and the lines of its log."""

    def __init__(self, office: Path, models: Path, name: str) -> None:
        self.home = office / name
        self.home.mkdir()
        (self.home / "models").symlink_to(models)
        self._log = office / f"{name}.log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from bot.cli import main; main()", "serve"],
                cwd=office,
                env={**os.environ, "LOREBOT_HOME": str(self.home)},
                stdout=log,
                stderr=log,
            )

    def said(self, event: str) -> int:
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.endswith("}")]
        return [line["event"] for line in lines].count(event)

    def until(self, condition: Callable[[], object]) -> float:
        began = time.monotonic()
        while not condition():
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() - began < CEILING, self._log.read_text()
            time.sleep(0.1)
        return time.monotonic() - began

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(CEILING)


@pytest.mark.slow
@pytest.mark.timeout(5 * CEILING)
def test_another_indexes_when_the_leader_is_killed_and_goes_on_when_postgres_was_restarted(
    lorebot: Lorebot,
    office: Path,
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = own_database().set(drivername="postgresql").render_as_string()
    for table in ("CATALOG", "JOURNAL"):
        monkeypatch.setenv(f"LOREBOT_{table}__URL", url)
    with ExitStack() as ended:
        machines = [Machine(office, models, name) for name in ("one", "two")]
        for machine in machines:
            ended.callback(machine.process.kill)
        machines[0].until(lambda: any(machine.said("synced") for machine in machines))
        first, second = sorted(machines, key=lambda machine: -machine.said(LEADS))
        second.until(lambda: second.said(FOLLOWS))
        before = json.loads(lorebot("status", "--json").out)
        assert f" pid {first.process.pid}, since " in before["leader"]
        assert (before["serving"], before["documents"]) == (True, 2)

        first.end(signal.SIGKILL)
        seconds = second.until(lambda: second.said(LEADS))
        print(f"taken over after {seconds:.1f} s")
        (office / "documents" / "parking.md").write_text("# Parking\n\n## Visitors\n\nThe code is 8216.\n")
        second.until(lambda: second.said("synced"))
        after = json.loads(lorebot("status", "--json").out)
        assert f" pid {second.process.pid}, since " in after["leader"]
        found = json.loads(lorebot("search", "What is the barrier code?", "--json").out)["passages"]
        assert any("8216" in passage["text"] for passage in found)

        break_all_connections()
        second.until(lambda: second.said(LEADS) == 2)
        (office / "documents" / "parking.md").write_text("# Parking\n\n## Visitors\n\nThe code is 9377.\n")
        second.until(lambda: second.said("synced") == 2)
        assert second.end(signal.SIGTERM) == 0
    assert json.loads(lorebot("status", "--json").out)["serving"] is False
