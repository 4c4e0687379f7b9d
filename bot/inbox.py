"""Who does what: each thing that a platform delivers is taken by one process, and by another if that dies."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, extract, func, select, update

from bot.batching import Batches
from bot.database import Database, JournalError, deliveries, lock_table, owners
from connectors.ports import Delivery
from knowledge.dialects import upserting

# A process that has not been heard of for so long has died.
LEASE_SECONDS = 30.0

# Platforms deliver again for an hour or so.
KEPT_SECONDS = 7 * 86_400.0

# What so many processes died over is not given to another.
MOST_TRIES = 4

_BEATS_A_LEASE = 4
_LONGEST_LEASES = 2
_PRUNED_EVERY = 3_600.0

_Result = TypeVar("_Result")


class Inbox:
    """The port `Inbox` of the connectors, in the journal's database; for one event loop.

    Takes and finishes that come together share a transaction. While `run` runs, what this process took stays
    its own; when it ends, or the process dies and its lease runs out, others find that abandoned. `announce`
    is told in one line what a person should know.
    """

    def __init__(
        self,
        database: Database,
        announce: Callable[[str], None],
        lease_seconds: float = LEASE_SECONDS,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        self._database = database
        self._announce = announce
        self._lease = lease_seconds
        self._kept = kept_seconds
        self._owner = uuid.uuid4().hex
        # What is in work here, by the thread's knowledge: more may be this process's by the database, which
        # has then committed and could not say so any more.
        self._held: set[str] = set()
        # What is done, of which the database could not be told yet.
        self._owed: set[str] = set()
        self._thread = ThreadPoolExecutor(1, "inbox")
        self._takes = Batches(self._take, self._thread)
        self._finishes = Batches(self._finish, self._thread)

    async def take(self, delivery: Delivery) -> bool:
        """Whether this process is to do it; see the port. Raises `JournalError`."""
        return await self._takes(delivery)

    async def finish(self, key: str) -> None:
        """Nobody takes it up again, and its payload is emptied.

        What another process took over is that one's to finish. Raises `JournalError` when it cannot be noted
        now; it is noted as soon as it can be while `run` runs.
        """
        try:
            await self._finishes(key)
        except JournalError:
            self._owed.add(key)
            raise

    async def release(self, key: str) -> None:
        """It may be taken again. Raises `JournalError`."""
        await self._in_thread(self._release, key)

    async def holds(self, key: str) -> bool:
        """Whether no other process took it over, as one does whose lease ran out. Raises `JournalError`."""
        return await self._in_thread(self._is_ours, key)

    async def abandoned(self, platform: str) -> tuple[Delivery, ...]:
        """What died processes left, oldest first; it is this process's now. Raises `JournalError`.

        So is what this process took without getting to know it, for the database was lost at that moment.
        """
        return await self._in_thread(self._take_over, platform)

    async def run(self) -> None:
        """Say, until cancelled, that this process lives; then leave to others what it has not finished."""
        pruned_at = -_PRUNED_EVERY
        try:
            while True:
                try:
                    await self._in_thread(self._beat)
                    await self._finish_owed()
                    if time.monotonic() - pruned_at >= _PRUNED_EVERY:
                        await self._in_thread(self._prune)
                        pruned_at = time.monotonic()
                except JournalError as error:
                    self._announce(str(error))
                await asyncio.sleep(self._lease / _BEATS_A_LEASE)
        finally:
            with suppress(JournalError):
                await asyncio.shield(self._in_thread(self._leave))

    def close(self) -> None:
        """End the thread that writes, after what is being written."""
        self._thread.shutdown()

    async def _in_thread(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def _finish_owed(self) -> None:
        owed = tuple(self._owed)
        if owed:
            await self._in_thread(self._finish, owed)
            self._owed.difference_update(owed)

    def _take(self, batch: Sequence[Delivery]) -> list[bool]:
        first = {delivery.key: place for place, delivery in reversed(list(enumerate(batch)))}
        with self._database.writing() as connection:
            now = _now(connection)
            self._renew(connection, now)
            erased = _erased_among(connection, first)
            # Two processes that insert the same keys in different orders would wait for each other.
            rows = [self._row(batch[place], now) for key, place in sorted(first.items()) if key not in erased]
            statement = upserting(connection, deliveries).on_conflict_do_nothing().returning(deliveries.c.key)
            taken = set(connection.execute(statement, rows).scalars()) if rows else set()
        self._held |= taken
        places = {first[key] for key in taken}
        return [place in places for place in range(len(batch))]

    def _row(self, delivery: Delivery, now: float) -> dict[str, Any]:
        return {
            "key": delivery.key,
            "platform": delivery.platform,
            "owner": self._owner,
            "taken_at": now,
            "tries": 1,
            "payload": json.dumps(dict(delivery.payload)),
        }

    def _finish(self, keys: Sequence[str]) -> list[None]:
        with self._database.writing() as connection:
            done = {"done_at": _now(connection), "payload": "{}"}
            ours = deliveries.c.key.in_(set(keys)) & (deliveries.c.owner == self._owner)
            connection.execute(update(deliveries).where(ours).values(done))
        self._held.difference_update(keys)
        return [None] * len(keys)

    def _release(self, key: str) -> None:
        with self._database.writing() as connection:
            ours = (deliveries.c.key == key) & (deliveries.c.owner == self._owner)
            connection.execute(delete(deliveries).where(ours))
        self._held.discard(key)

    def _is_ours(self, key: str) -> bool:
        query = select(deliveries.c.owner).where(deliveries.c.key == key)
        with self._database.reading() as connection:
            return connection.execute(query).scalar() in (None, self._owner)

    def _take_over(self, platform: str) -> tuple[Delivery, ...]:
        d = deliveries.c
        with self._database.writing() as connection:
            lock_table(connection, deliveries)
            now = _now(connection)
            self._renew(connection, now)
            # A lease that ends later than any could was given before the clock was put back.
            until = owners.c.alive_until
            alive = select(owners.c.owner).where(until > now, until <= now + _LONGEST_LEASES * self._lease)
            unknown = (d.owner == self._owner) & d.key.not_in(self._held)
            left = (d.platform == platform) & d.done_at.is_(None) & (d.owner.not_in(alive) | unknown)
            hopeless = update(deliveries).where(left, d.tries >= MOST_TRIES)
            given_up = connection.execute(hopeless.values(done_at=now, payload="{}").returning(d.key)).all()
            ours = update(deliveries).where(left).values(owner=self._owner, tries=d.tries + 1)
            rows = connection.execute(ours.returning(d.key, d.platform, d.payload, d.taken_at)).all()
        self._held |= {row.key for row in rows}
        for row in given_up:
            self._announce(f"{row.key} is given up: {MOST_TRIES} processes ended before it was done.")
        oldest_first = sorted(rows, key=lambda row: (row.taken_at, row.key))
        return tuple(Delivery(row.key, row.platform, json.loads(row.payload)) for row in oldest_first)

    def _beat(self) -> None:
        with self._database.writing() as connection:
            self._renew(connection, _now(connection))

    def _renew(self, connection: Connection, now: float) -> None:
        until = {"alive_until": now + self._lease}
        alive = upserting(connection, owners).values(owner=self._owner, **until)
        connection.execute(alive.on_conflict_do_update(index_elements=["owner"], set_=until))

    def _leave(self) -> None:
        # Else another process would do once more what is done here.
        if self._owed:
            self._finish(tuple(self._owed))
        with self._database.writing() as connection:
            connection.execute(delete(owners).where(owners.c.owner == self._owner))

    def _prune(self) -> None:
        with self._database.writing() as connection:
            before = _now(connection) - self._kept
            connection.execute(delete(deliveries).where(deliveries.c.done_at < before))
            connection.execute(delete(owners).where(owners.c.alive_until < before))


def erased_key(key: str) -> str:
    """What stays of the key of a delivery that was erased: enough to know it when it comes again."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def _erased_among(connection: Connection, keys: Iterable[str]) -> set[str]:
    """Those of these keys that were erased."""
    by_digest = {erased_key(key): key for key in keys}
    query = select(deliveries.c.key).where(deliveries.c.key.in_(by_digest))
    return {by_digest[digest] for digest in connection.execute(query).scalars()}


def _now(connection: Connection) -> float:
    """Seconds since 1970 by the one clock that all processes of a database share."""
    if connection.dialect.name == "postgresql":
        clock = select(extract("epoch", func.clock_timestamp()))
        return float(connection.execute(clock).scalar_one())
    return time.time()
