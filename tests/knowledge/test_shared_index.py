"""Machines share an index in Postgres: one at a time syncs a source, and all see what it published."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from index_standins import Index, MemorySource, WordEmbedder, many
from postgres import POSTGRES, cleaning, drop_indexes, own_database
from sqlalchemy import Engine, text

from knowledge.catalog import Catalog
from knowledge.documents import KnowledgeError
from knowledge.edition_schemas import EditionSchemas
from knowledge.locking import DatabaseLocks, SyncBusyError
from knowledge.postgres import SHARED_SCHEMA, SessionLock, lock_key, open_postgres
from knowledge.sync_report import SyncProgress
from knowledge.vectors import Announce, ExactVectors, VectorIndex

pytestmark = pytest.mark.skipif(not POSTGRES, reason="no TEST_POSTGRES_URL")

TEXTS = ["Lunch is at noon.", "Opened items too.", "Thirty days to return."]


def shared_index(home: Path, engine: Engine, embedder: WordEmbedder | None = None) -> Index:
    """An index in a database, searched exactly."""

    def open_index(folder: Path, catalog: Catalog, model: str, announce: Announce) -> VectorIndex:
        return ExactVectors(catalog, model)

    store, locks = EditionSchemas(engine, home / "index"), DatabaseLocks(engine)
    return Index(home, embedder, open_index=open_index, store=store, locks=locks)


class Machines:
    """Machines that share one database, each with a home of its own."""

    def __init__(self, homes: Path) -> None:
        self._homes = homes
        self._engines: list[Engine] = []
        self._indexes: list[Index] = []

    def another(self, embedder: WordEmbedder | None = None) -> Index:
        home = self._homes / str(len(self._indexes))
        engine = open_postgres(own_database(), SHARED_SCHEMA)
        self._engines.append(engine)
        index = shared_index(home, engine, embedder)
        self._indexes.append(index)
        return index

    def close(self) -> None:
        for index in self._indexes:
            index.editions.close()
        for engine in self._engines:
            engine.dispose()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    drop_indexes()
    machines = Machines(tmp_path)
    yield machines
    machines.close()
    drop_indexes()


@pytest.fixture
def source() -> MemorySource:
    source = MemorySource()
    source.put("returns.md", "# Returns\n\nThirty days to return.\n\nOpened items too.")
    source.put("lunch.md", "Lunch is at noon.")
    return source


def schemas() -> int:
    with cleaning() as connection:
        counted = text("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'lorebot\\_%'")
        return connection.execute(counted).scalar_one()


def test_what_one_machine_syncs_another_finds(machines: Machines, source: MemorySource) -> None:
    one, other = machines.another(), machines.another()
    assert other.texts() == []
    one.sync(source)
    assert one.texts() == other.texts() == TEXTS
    source.put("lunch.md", "Lunch is at one.")
    one.sync(source)
    assert "Lunch is at one." in other.texts()


def test_the_next_run_on_another_machine_goes_on_from_there(machines: Machines, source: MemorySource) -> None:
    machines.another().sync(source)
    report = machines.another().sync(source)
    assert (report.unchanged, report.passages_embedded, report.index_generation) == (2, 0, 1)


def test_a_source_that_another_machine_syncs_is_busy_and_the_other_is_named(
    machines: Machines, source: MemorySource
) -> None:
    one, other, busy = machines.another(), machines.another(), []

    def look(progress: SyncProgress) -> None:
        if progress.phase == "documents" and not busy:
            with pytest.raises(
                SyncBusyError, match=r"'handbook' is running \(.+ pid \d+, since 2\d{3}-"
            ) as said:
                other.sync(source)
            busy.append(str(said.value))

    one.sync(source, on_progress=look)
    assert busy
    other.sync(source)


def test_a_run_whose_lock_is_lost_stops_and_what_it_published_stands(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knowledge.sync._LOOK_SECONDS", 0.0)
    index, source = machines.another(), many(100)

    def cut(progress: SyncProgress) -> None:
        if progress.phase == "documents" and progress.done == 40:
            break_the_connection_that_holds(lock_key("source", "handbook"))

    with pytest.raises(KnowledgeError, match="lost its lock"):
        index.sync(source, on_progress=cut)
    assert index.catalog.counts().documents == 32
    report = index.sync(source)
    assert (len(report.added), report.unchanged) == (68, 32)


def break_the_connection_that_holds(key: int) -> None:
    with cleaning() as connection:
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 "
            "AND ((classid::bigint << 32) | objid::bigint) = :key"
        )
        assert connection.execute(text(query), {"key": key}).scalars().all() == [True]


def test_other_settings_build_beside_and_take_over_everywhere(
    machines: Machines, source: MemorySource
) -> None:
    one, other = machines.another(), machines.another()
    drive = MemorySource(name="drive")
    drive.put("parking.md", "Parking is free.")
    one.sync(source)
    one.sync(drive)
    later = machines.another(WordEmbedder("words-2", dimensions=48))
    later.sync(source)
    assert (len(other.texts()), later.texts(), schemas()) == (4, [], 2)
    generation = other.catalog.generation()
    later.sync(drive)
    assert later.texts() == [*TEXTS[:2], "Parking is free.", TEXTS[2]]
    assert later.catalog.generation() > generation
    for machine in (one, other):
        assert machine.catalog.counts().documents == 3
    assert schemas() == 1


def test_two_machines_that_begin_at_once_begin_one_index(machines: Machines, source: MemorySource) -> None:
    indexes = [machines.another() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda index: index.texts(), indexes)) == [[]] * 4
    indexes[0].sync(source)
    assert [index.texts() for index in indexes] == [TEXTS] * 4


def test_a_database_that_is_away_is_one_clear_line(tmp_path: Path) -> None:
    engine = open_postgres(own_database().set(port=1), SHARED_SCHEMA)
    index = shared_index(tmp_path, engine)
    with pytest.raises(
        KnowledgeError, match=r"postgresql://lorebot@.* cannot be used \(.*check that it runs"
    ):
        index.texts()


def test_a_lock_is_free_when_its_connection_has_gone(machines: Machines) -> None:
    engines = [open_postgres(own_database(), SHARED_SCHEMA) for _ in range(2)]
    held = SessionLock.try_to_take(engines[0], 7)
    assert held is not None
    assert SessionLock.try_to_take(engines[1], 7) is None
    break_the_connection_that_holds(7)
    assert not held.is_held()
    taken = SessionLock.try_to_take(engines[1], 7)
    assert taken is not None
    taken.release()
    for engine in engines:
        engine.dispose()


def test_postgres_notices_within_half_a_minute_that_a_machine_has_gone() -> None:
    engine = open_postgres(own_database(), SHARED_SCHEMA)
    limits = text("SELECT name, setting FROM pg_settings WHERE name LIKE 'tcp\\_%'")
    with engine.connect() as connection:
        found = {row.name: int(row.setting) for row in connection.execute(limits)}
    engine.dispose()
    silent = found["tcp_keepalives_idle"] + found["tcp_keepalives_interval"] * found["tcp_keepalives_count"]
    assert (silent, found["tcp_user_timeout"]) == (25, 30_000)


def test_a_lock_that_was_let_go_of_is_free_at_once() -> None:
    engine = open_postgres(own_database(), SHARED_SCHEMA)
    for _ in range(50):
        lock = SessionLock.try_to_take(engine, 8)
        assert lock is not None
        lock.release()
    engine.dispose()
