"""Whether this process can answer: what it needs, and what of that is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING

from bot.vector_server import vector_problem

if TYPE_CHECKING:
    from bot.assembly import Assembly
    from bot.warming import Warming

_WITHIN_SECONDS = 2.0

# Why something is missing; empty when it is there.
Check = Callable[[], Awaitable[str]]


class Readiness:
    """Asks every check side by side. Before `begin` a process starts, and once `stop` is set it stops."""

    def __init__(self, stop: asyncio.Event, within_seconds: float = _WITHIN_SECONDS) -> None:
        self._stop = stop
        self._within = within_seconds
        self._checks: Mapping[str, Check] | None = None
        self._lesser: Mapping[str, Check] = {}

    def begin(self, checks: Mapping[str, Check], lesser: Mapping[str, Check] | None = None) -> None:
        """The process has started: from now on these tell how it is; it answers without what is `lesser`."""
        self._checks, self._lesser = checks, lesser or {}

    async def missing(self) -> dict[str, str]:
        """Each thing that is needed, by name, with why it is missing; empty for what is there."""
        if self._checks is None:
            return {"process": "it is starting"}
        found = await self._asked(self._checks)
        return found | ({"process": "it is stopping"} if self._stop.is_set() else {})

    async def impaired(self) -> dict[str, str]:
        """The same of what is used where it is there, and stood in for where it is not."""
        return await self._asked(self._lesser)

    async def _asked(self, checks: Mapping[str, Check]) -> dict[str, str]:
        answers = await asyncio.gather(*(self._ask(check) for check in checks.values()))
        return dict(zip(checks, answers, strict=True))

    async def _ask(self, check: Check) -> str:
        try:
            async with asyncio.timeout(self._within):
                return await check()
        except TimeoutError:
            return f"no answer within {self._within:g} s"
        except Exception as error:
            return str(error) or type(error).__name__


def needs(assembly: Assembly, threads: Executor) -> dict[str, Check]:
    """What every process needs: an index that can be read."""
    return {"index": partial(_tried, threads, lambda: assembly.catalog.generation())}


def needs_to_answer(
    assembly: Assembly, warming: Warming, platforms: Iterable[str], threads: Executor
) -> dict[str, Check]:
    """What a process needs that answers on these platforms: its models, the journal, the connections."""

    async def model() -> str:
        return warming.missing

    async def connection(platform: str) -> str:
        return "" if await assembly.presence.is_connected(platform) else "it is not connected"

    def journal() -> None:
        assembly.journal.latest("ready", ("ready",))

    checks: dict[str, Check] = {"model": model, "journal": partial(_tried, threads, journal)}
    return checks | {platform: partial(connection, platform) for platform in platforms}


def impairments(assembly: Assembly, threads: Executor) -> dict[str, Check]:
    """What is used where the settings name it, and not needed: the server of the vectors."""
    if assembly.settings.chroma.url is None:
        return {}

    async def vectors() -> str:
        return await asyncio.get_running_loop().run_in_executor(threads, vector_problem, assembly)

    return {"vectors": vectors}


async def _tried(threads: Executor, look: Callable[[], object]) -> str:
    await asyncio.get_running_loop().run_in_executor(threads, look)
    return ""
