"""What platforms deliver is done once, whatever is delivered again, and by others when a process dies."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, select, update
from sqlalchemy.engine import URL

from bot.database import Database, JournalError, deliveries, owners
from bot.inbox import MOST_TRIES, Inbox
from connectors.ports import Delivery

# A process: opens an inbox on its own and takes what it is given, in an order of its own, each thrice.
TAKING = """
import asyncio, random, sys
from sqlalchemy.engine import make_url
from bot.database import Database
from bot.inbox import Inbox
from connectors.ports import Delivery

async def main():
    keys = [f"slack:T/C/{n}" for n in range(int(sys.argv[2]))] * 3
    random.Random(sys.argv[3]).shuffle(keys)
    inbox = Inbox(Database(make_url(sys.argv[1])), print)
    print("ready", flush=True)
    sys.stdin.readline()
    for begin in range(0, len(keys), 60):
        batch = keys[begin : begin + 60]
        taken = await asyncio.gather(*(inbox.take(Delivery(key, "slack", {})) for key in batch))
        for key, mine in zip(batch, taken):
            if mine:
                print(key, flush=True)
    if len(sys.argv) > 4:
        sys.stdin.read()
    inbox.close()

asyncio.run(main())
"""


def delivery(key: str = "slack:T/C/1", **payload: object) -> Delivery:
    return Delivery(key, "slack", payload)


@pytest.fixture
async def database(journal_at: URL) -> AsyncIterator[Database]:
    opened = Database(journal_at)
    yield opened
    opened.close()


@pytest.fixture
async def inbox(database: Database) -> AsyncIterator[Inbox]:
    opened = Inbox(database, print)
    yield opened
    opened.close()


@pytest.fixture
async def other(database: Database) -> AsyncIterator[Inbox]:
    """The inbox of another process."""
    opened = Inbox(database, print)
    yield opened
    opened.close()


@asynccontextmanager
async def running(inbox: Inbox) -> AsyncIterator[None]:
    task = asyncio.create_task(inbox.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


def die(database: Database) -> None:
    """Let the lease of every process run out."""
    with database.writing() as connection:
        connection.execute(update(owners).values(alive_until=0.0))


def process(url: URL, *arguments: str) -> subprocess.Popen[str]:
    shown = url.render_as_string(hide_password=False)
    started = subprocess.Popen(
        [sys.executable, "-c", TAKING, shown, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


async def test_what_is_delivered_again_is_taken_once(inbox: Inbox) -> None:
    assert [await inbox.take(delivery()) for _ in range(3)] == [True, False, False]


async def test_what_is_delivered_twice_at_once_is_taken_once(inbox: Inbox) -> None:
    taken = await asyncio.gather(*(inbox.take(delivery()) for _ in range(5)))

    assert sorted(taken) == [False] * 4 + [True]


async def test_another_process_does_not_take_it_too(inbox: Inbox, other: Inbox) -> None:
    assert await inbox.take(delivery())

    assert not await other.take(delivery())


async def test_what_is_done_is_not_taken_again(inbox: Inbox, other: Inbox) -> None:
    await inbox.take(delivery())
    await inbox.finish("slack:T/C/1")

    assert not await inbox.take(delivery())
    assert not await other.take(delivery())


async def test_what_was_left_alone_may_be_asked_for_again(inbox: Inbox, other: Inbox) -> None:
    await inbox.take(delivery())
    await inbox.release("slack:T/C/1")
    assert await other.take(delivery())
    assert not await inbox.take(delivery())


async def test_what_was_taken_while_the_database_was_lost_is_not_forgotten(
    inbox: Inbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = database.writing

    @contextmanager
    def lost_after_commit() -> Iterator[Connection]:
        with writing() as connection:
            yield connection
        raise JournalError("the connection broke")

    monkeypatch.setattr(database, "writing", lost_after_commit)
    with pytest.raises(JournalError):
        await inbox.take(delivery(text="Where?"))
    monkeypatch.undo()
    assert not await inbox.take(delivery(text="Where?"))
    assert await inbox.abandoned("slack") == (delivery(text="Where?"),)
    assert await inbox.abandoned("slack") == ()


async def test_it_is_known_whether_another_process_took_over(
    inbox: Inbox, other: Inbox, database: Database
) -> None:
    await inbox.take(delivery())
    assert await inbox.holds("slack:T/C/1")
    die(database)
    await other.abandoned("slack")
    assert not await inbox.holds("slack:T/C/1")
    assert await other.holds("slack:T/C/1")
    await inbox.finish("slack:T/C/1")
    die(database)
    assert await inbox.abandoned("slack") == (delivery(),)


async def test_what_a_living_process_took_is_not_abandoned(inbox: Inbox, other: Inbox) -> None:
    await inbox.take(delivery())

    assert await other.abandoned("slack") == ()
    assert await inbox.abandoned("slack") == ()


async def test_a_process_goes_on_with_what_a_dead_one_left(
    inbox: Inbox, other: Inbox, database: Database
) -> None:
    await inbox.take(delivery("slack:T/C/2", text="Where?", files=["a"]))
    await inbox.take(delivery("slack:T/C/1"))
    die(database)

    left = await other.abandoned("slack")

    assert left == (delivery("slack:T/C/2", text="Where?", files=["a"]), delivery("slack:T/C/1"))
    assert await other.abandoned("slack") == ()


async def test_what_is_done_was_not_abandoned(inbox: Inbox, other: Inbox, database: Database) -> None:
    await inbox.take(delivery())
    await inbox.finish("slack:T/C/1")
    die(database)

    assert await other.abandoned("slack") == ()


async def test_a_platform_finds_its_own_alone(inbox: Inbox, other: Inbox, database: Database) -> None:
    await inbox.take(delivery())
    die(database)

    assert await other.abandoned("discord") == ()
    assert await other.abandoned("slack") == (delivery(),)


async def test_of_two_that_look_at_once_one_gets_it(inbox: Inbox, other: Inbox, database: Database) -> None:
    for number in range(20):
        await inbox.take(delivery(f"slack:T/C/{number}"))
    die(database)
    third = Inbox(database, print)

    found = await asyncio.gather(other.abandoned("slack"), third.abandoned("slack"))

    assert sorted(len(some) for some in found) == [0, 20]
    third.close()


async def test_a_dead_process_is_not_believed_to_live_because_the_clock_was_put_back(
    inbox: Inbox, other: Inbox, database: Database
) -> None:
    await inbox.take(delivery())
    with database.writing() as connection:
        connection.execute(update(owners).values(alive_until=owners.c.alive_until + 3_600))
    assert await other.abandoned("slack") == (delivery(),)


async def test_what_is_done_while_the_database_is_lost_is_noted_when_it_is_back(
    database: Database, other: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Inbox(database, print, lease_seconds=0.2)
    finish = busy._finish
    noted: list[str] = []

    def noting(keys: tuple[str, ...]) -> list[None]:
        noted.extend(keys)
        return finish(keys)

    async with running(busy):
        await busy.take(delivery())
        with monkeypatch.context() as lost:
            lost.setattr(database, "writing", _lost)
            with pytest.raises(JournalError):
                await busy.finish(delivery().key)
        monkeypatch.setattr(busy, "_finish", noting)
        await until(lambda: bool(noted))
    assert await other.abandoned("slack") == ()
    busy.close()


async def test_what_could_not_be_noted_is_noted_at_last_when_the_process_ends(
    database: Database, other: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = Inbox(database, print)
    async with running(ending):
        await ending.take(delivery())
        with monkeypatch.context() as lost:
            lost.setattr(database, "writing", _lost)
            with pytest.raises(JournalError):
                await ending.finish(delivery().key)
    assert await other.abandoned("slack") == ()
    ending.close()


@contextmanager
def _lost() -> Iterator[Connection]:
    raise JournalError("the connection broke")
    yield


async def test_a_process_that_ends_leaves_the_rest_to_others_at_once(inbox: Inbox, other: Inbox) -> None:
    async with running(inbox):
        await inbox.take(delivery())
        assert await other.abandoned("slack") == ()

    assert await other.abandoned("slack") == (delivery(),)


async def test_a_running_process_keeps_what_it_took_for_longer_than_a_lease(
    database: Database, other: Inbox
) -> None:
    busy = Inbox(database, print, lease_seconds=0.2)

    def lease() -> float:
        with database.reading() as connection:
            found = connection.execute(select(owners.c.alive_until).where(owners.c.owner == busy._owner))
            return found.scalar_one()

    async with running(busy):
        await busy.take(delivery())
        first = lease()
        await until(lambda: lease() > first + 0.5)
        assert not await other.take(delivery())
    busy.close()


async def test_what_kills_every_process_is_given_up_and_said(database: Database) -> None:
    said: list[str] = []
    victims = [Inbox(database, said.append) for _ in range(MOST_TRIES)]
    await victims[0].take(delivery())
    for victim in victims[1:]:
        die(database)
        assert await victim.abandoned("slack") == (delivery(),)
    die(database)
    last = Inbox(database, said.append)

    assert await last.abandoned("slack") == ()
    assert said == [f"slack:T/C/1 is given up: {MOST_TRIES} processes ended before it was done."]
    for inbox in (*victims, last):
        inbox.close()


async def test_what_is_done_leaves_nothing_of_what_it_said(inbox: Inbox, database: Database) -> None:
    await inbox.take(delivery(text="a secret"))
    await inbox.finish("slack:T/C/1")

    with database.reading() as connection:
        assert connection.execute(select(deliveries.c.payload)).scalars().all() == ["{}"]


async def test_what_was_done_long_ago_is_dropped_and_what_is_not_done_is_kept(database: Database) -> None:
    inbox = Inbox(database, print, kept_seconds=-1.0)
    await inbox.take(delivery("slack:T/C/1"))
    await inbox.take(delivery("slack:T/C/2"))
    await inbox.finish("slack:T/C/1")

    def keys() -> list[str]:
        with database.reading() as connection:
            return list(connection.execute(select(deliveries.c.key)).scalars())

    async with running(inbox):
        await until(lambda: len(keys()) < 2)

    assert keys() == ["slack:T/C/2"]
    inbox.close()


async def test_many_at_once_share_few_transactions(inbox: Inbox, database: Database) -> None:
    commits: list[object] = []
    event.listen(database._engine, "commit", commits.append)

    taken = await asyncio.gather(*(inbox.take(delivery(f"slack:T/C/{n}")) for n in range(200)))

    assert all(taken)
    assert len(commits) <= 3


@pytest.mark.slow
def test_a_thousand_keys_delivered_thrice_to_two_processes_are_a_thousand_takes(journal_at: URL) -> None:
    Database(journal_at).close()
    processes = [process(journal_at, "1000", seed) for seed in "ab"]
    outputs = []
    for started in processes:
        assert started.stdin is not None
        started.stdin.write("go\n")
        started.stdin.flush()
    for started in processes:
        assert started.stdout is not None
        outputs.append(started.stdout.read().split())
        assert started.wait() == 0

    takes = Counter(key for output in outputs for key in output)
    assert takes == Counter(f"slack:T/C/{n}" for n in range(1000))


@pytest.mark.slow
async def test_what_a_killed_process_took_is_done_by_another(journal_at: URL, tmp_path: Path) -> None:
    database = Database(journal_at)
    victim = process(journal_at, "5", "a", "stay")
    assert victim.stdin is not None
    assert victim.stdout is not None
    victim.stdin.write("go\n")
    victim.stdin.flush()
    for _ in range(5):
        victim.stdout.readline()
    heir = Inbox(database, print)

    victim.kill()
    victim.wait()
    die(database)

    assert len(await heir.abandoned("slack")) == 5
    heir.close()
    database.close()
