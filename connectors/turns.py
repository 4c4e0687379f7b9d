"""A bounded number of things at once, and a fair queue before them."""

from __future__ import annotations

import asyncio
from collections import Counter


class Turn:
    """One request for a place among those at work; `number` is its place in the queue, 0 when it began."""

    def __init__(self, turns: Turns, person: str) -> None:
        self.person = person
        self.began = asyncio.Event()
        self._turns = turns

    @property
    def number(self) -> int:
        return self._turns.number_of(self)

    @property
    def is_working(self) -> bool:
        """Whether it has begun and not ended."""
        return self._turns.is_working(self)

    async def wait(self, seconds: float) -> bool:
        """Wait for the turn, at most so long; whether it began."""
        try:
            async with asyncio.timeout(seconds):
                await self.began.wait()
        except TimeoutError:
            return self.began.is_set()
        return True

    def end(self) -> None:
        """Give the place, or the place in the queue, to the next; again does nothing."""
        self._turns.ended(self)


class Turns:
    """At most `at_once` turns at a time. Who waits is served in rounds: one of each person, oldest first."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._working: list[Turn] = []
        self._waiting: list[Turn] = []

    def request(self, person: str) -> Turn:
        """Stand in the queue; the turn has begun already when there is room."""
        turn = Turn(self, person)
        self._waiting.append(turn)
        self._begin()
        return turn

    def number_of(self, turn: Turn) -> int:
        """How many turns are to begin until this one has, itself included."""
        order = self._order()
        return order.index(turn) + 1 if turn in order else 0

    def is_working(self, turn: Turn) -> bool:
        """Whether a turn has begun and not ended."""
        return turn in self._working

    def ended(self, turn: Turn) -> None:
        for turns in (self._working, self._waiting):
            if turn in turns:
                turns.remove(turn)
        self._begin()

    def _order(self) -> list[Turn]:
        rounds = Counter(turn.person for turn in self._working)
        ranked = []
        for arrival, turn in enumerate(self._waiting):
            ranked.append((rounds[turn.person], arrival, turn))
            rounds[turn.person] += 1
        return [turn for _, _, turn in sorted(ranked, key=lambda entry: entry[:2])]

    def _begin(self) -> None:
        while self._waiting and len(self._working) < self._at_once:
            turn = self._order()[0]
            self._waiting.remove(turn)
            self._working.append(turn)
            turn.began.set()
