"""What Slack tells the app: envelopes, their acks, redelivery, and what nobody answered."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Json = dict[str, Any]
State = Literal["waiting", "sent", "acked", "failed"]


@dataclass(slots=True)
class Delivery:
    """Something that the app is told, over all its attempts. Times are monotonic.

    `attempts` are the times of sending, `ack_seconds` is from the last attempt before the ack to the ack, and
    `payload` is what the ack carried. `failed` is what a person sees, or Slack notes, when no answer comes.
    """

    kind: str
    body: Json
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: list[float] = field(default_factory=list)
    state: State = "waiting"
    ack_seconds: float | None = None
    payload: Json | None = None
    failed: str = ""
    connection: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)
    on_ack: Callable[[Json], None] = lambda _payload: None

    @property
    def event(self) -> Json:
        """The event of an `events_api` delivery; empty for others."""
        found: Json = self.body.get("event", {}) if self.kind == "events_api" else {}
        return found

    @property
    def retry(self) -> Json:
        """What the attempt under way tells about being one more."""
        if self.kind != "events_api":
            return {}
        again = len(self.attempts) - 1
        return {"retry_attempt": max(0, again), "retry_reason": "timeout" if again > 0 else ""}


class Carrier(Protocol):
    """How deliveries reach the app."""

    async def carry(self, delivery: Delivery) -> bool:
        """Send it; False when there is nobody to send it to."""
        ...


class Deliveries:
    """Sends, times acks and sends again. Only events wait and are repeated; the rest fails as in Slack.

    `pauses` are the seconds before each attempt but the first; Slack's own are 0, 60 and 300
    (https://docs.slack.dev/apis/events-api/#retries).
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.carrier: Carrier | None = None
        self.ack_timeout = 3.0
        self.pauses = (0.0, 0.0, 0.0)
        self.all: list[Delivery] = []
        self._waiting: list[Delivery] = []
        self._known: dict[str, Delivery] = {}
        self._sent: dict[str, Delivery] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = changed
        self._flushing = asyncio.Lock()

    @property
    def unacked(self) -> list[Delivery]:
        """What was neither acknowledged nor given up."""
        return [*self._waiting, *self._sent.values()]

    async def deliver(self, kind: str, body: Json, on_ack: Callable[[Json], None] | None = None) -> Delivery:
        """Tell the app something. Returns as soon as it is sent, or waits for a connection."""
        delivery = Delivery(kind, body)
        if on_ack:
            delivery.on_ack = on_ack
        self.all.append(delivery)
        await self.attempt(delivery)
        return delivery

    async def attempt(self, delivery: Delivery) -> None:
        """Send it once (more)."""
        self._known[delivery.id] = delivery
        delivery.attempts.append(time.monotonic())
        if delivery.state != "acked":
            delivery.state = "sent"
            self._cancel(delivery)
            self._sent[delivery.id] = delivery
            loop = asyncio.get_running_loop()
            self._timers[delivery.id] = loop.call_later(self.ack_timeout, self._late, delivery)
        if self.carrier is not None and await self.carrier.carry(delivery):
            return
        delivery.attempts.pop()
        self._cancel(delivery)
        if delivery.kind == "events_api":
            delivery.state = "waiting"
            self._waiting.append(delivery)
        else:
            self._fail(delivery, "dispatch_failed")

    def acked(self, delivery_id: str, payload: Json | None, connection: int = 0) -> None:
        """An ack came."""
        delivery = self._known.get(delivery_id)
        if delivery is None or delivery.state == "acked":
            return
        self._cancel(delivery)
        late = delivery.state == "failed"
        if not late:
            delivery.state = "acked"
            delivery.payload, delivery.connection = payload, connection
            delivery.on_ack(payload or {})
        delivery.ack_seconds = time.monotonic() - delivery.attempts[-1]
        delivery.done.set()
        self._changed()

    async def flush(self) -> None:
        """Send what waited for a connection."""
        async with self._flushing:
            waiting, self._waiting = self._waiting, []
            for delivery in waiting:
                await self.attempt(delivery)

    def later(self, kind: str, body: Json) -> None:
        """Tell the app something from outside a coroutine."""
        delivery = Delivery(kind, body)
        self.all.append(delivery)
        self._soon(delivery)

    def _soon(self, delivery: Delivery) -> None:
        task = asyncio.get_running_loop().create_task(self.attempt(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Send nothing more."""
        for timer in self._timers.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        self._timers.clear()
        self.carrier = None

    def _cancel(self, delivery: Delivery) -> None:
        self._sent.pop(delivery.id, None)
        if timer := self._timers.pop(delivery.id, None):
            timer.cancel()

    def _late(self, delivery: Delivery) -> None:
        self._timers.pop(delivery.id, None)
        if delivery.kind == "events_api" and len(delivery.attempts) <= len(self.pauses):
            pause = self.pauses[len(delivery.attempts) - 1]
            self._timers[delivery.id] = asyncio.get_running_loop().call_later(pause, self._soon, delivery)
        else:
            self._fail(delivery, "no_ack" if delivery.kind == "events_api" else "operation_timeout")

    def _fail(self, delivery: Delivery, why: str) -> None:
        self._sent.pop(delivery.id, None)
        delivery.state, delivery.failed = "failed", why
        delivery.done.set()
        self._changed()
