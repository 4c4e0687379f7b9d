"""What a day may cost on a server that is paid for, and what it has cost so far."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Protocol

from adapters.generation import GenerationError
from adapters.remote.chat import Usage

# English has more characters a token; for a limit rather too many tokens are counted than too few.
CHARACTERS_A_TOKEN = 3
_TOKENS_A_PRICE = 1_000_000


class LimitReachedError(GenerationError):
    """The day's limit is used up."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens, and money in the currency of the settings."""

    tokens: int = 0
    money: float = 0.0

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.tokens - other.tokens, self.money - other.money)


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a day may cost, None for no limit; prices are for a million tokens."""

    tokens: int | None = None
    money: float | None = None
    prompt_price: float = 0.0
    reply_price: float = 0.0

    def cost(self, usage: Usage) -> Spent:
        """What an answer costs."""
        money = usage.prompt_tokens * self.prompt_price + usage.reply_tokens * self.reply_price
        return Spent(usage.prompt_tokens + usage.reply_tokens, money / _TOKENS_A_PRICE)

    def allow(self, spent: Spent) -> bool:
        """Whether a day may cost so much."""
        return (self.tokens is None or spent.tokens <= self.tokens) and (
            self.money is None or spent.money <= self.money
        )


class Ledger(Protocol):
    """Where it is kept what each day has cost; for many threads and processes."""

    def reserve(self, day: date, cost: Spent, limits: Limits) -> bool:
        """Add a cost to a day's unless that goes beyond the limits; in one step."""
        ...

    def correct(self, day: date, difference: Spent) -> None:
        """Add what a reserved cost was too small by; less than nothing when it was too large."""
        ...


class Charge:
    """What one answer uses: an estimate until the server tells."""

    def __init__(self, prompt_tokens: int) -> None:
        self.usage = Usage(prompt_tokens, 0)
        self._prompt_tokens = prompt_tokens
        self._characters = 0
        self._is_told = False

    def hear(self, piece: str) -> None:
        """Count a piece of the answer."""
        self._characters += len(piece)
        if not self._is_told:
            self.usage = Usage(self._prompt_tokens, 1 + self._characters // CHARACTERS_A_TOKEN)

    def be_told(self, usage: Usage) -> None:
        """Take the server's own count."""
        self._is_told, self.usage = True, usage

    def be_refused(self) -> None:
        """Note that nothing was computed."""
        self.usage = Usage(0, 0)


class Budget(Protocol):
    """What answers are charged to."""

    def charging(self, most: Usage) -> AbstractAsyncContextManager[Charge]:
        """Reserve `most` for one answer; when the context ends, what the charge says is counted instead.

        Raises `LimitReachedError` when the limit does not allow it.
        """
        ...


class NoLimit:
    """A server that costs nothing by the answer."""

    @asynccontextmanager
    async def charging(self, most: Usage) -> AsyncIterator[Charge]:
        """See `Budget.charging`."""
        yield Charge(most.prompt_tokens)


class DailyBudget:
    """Counts before a request what it may cost at most, and afterwards what it did.

    So a process that is killed half-way has counted too much rather than too little. Days are those of UTC;
    `on_limit` is told once a day that the limit is reached.
    """

    def __init__(
        self,
        limits: Limits,
        ledger: Ledger,
        on_limit: Callable[[str], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._limits = limits
        self._ledger = ledger
        self._on_limit = on_limit
        self._now = now
        self._told: date | None = None

    @asynccontextmanager
    async def charging(self, most: Usage) -> AsyncIterator[Charge]:
        """See `Budget.charging`."""
        day, reserved, charge = self._now().date(), self._limits.cost(most), Charge(most.prompt_tokens)
        if not await asyncio.to_thread(self._ledger.reserve, day, reserved, self._limits):
            raise self._limit_reached(day)
        try:
            yield charge
        finally:
            difference = self._limits.cost(charge.usage) - reserved
            await asyncio.to_thread(self._ledger.correct, day, difference)

    def _limit_reached(self, day: date) -> LimitReachedError:
        error = LimitReachedError(
            "The day's limit for the model on a server ([spending] in the settings) is used up; the model is "
            "asked again from midnight UTC on."
        )
        if self._told != day:
            self._told = day
            self._on_limit(str(error))
        return error
