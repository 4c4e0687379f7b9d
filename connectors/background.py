"""What is done beside an acknowledgement: watched tasks, of whose failure a person is told."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from connectors.asking import Questions, failure_line
from connectors.log import Log
from connectors.ports import Delivery, Inbox
from connectors.reference import new_reference, reference_of, working_on

# What has begun is finished when the process is told to end; orchestrators wait about 30 seconds.
CLOSING_SECONDS = 20.0
TAKE_UP_EVERY_SECONDS = 20.0

Tell = Callable[[str], Awaitable[None]]


class Background:
    """The tasks of one platform that are on. `explain` puts the platform's errors into a line for the log."""

    def __init__(
        self, platform: str, questions: Questions, log: Log, explain: Callable[[BaseException], str]
    ) -> None:
        self._platform = platform
        self._questions = questions
        self._log = log
        self._explain = explain
        self._tasks: set[asyncio.Task[None]] = set()
        self._runs: dict[str, tuple[str, asyncio.Task[None]]] = {}

    def begin(
        self, work: Coroutine[Any, Any, None], tell: Tell, key: str | None = None
    ) -> asyncio.Task[None]:
        """Do something that finishes its delivery itself.

        If it fails, the log is told, and by `tell` the person, and the delivery of `key` is finished.
        """
        task = asyncio.create_task(self._watched(work, tell, key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def begin_run(self, run: str, starter: str, work: Coroutine[Any, Any, None], tell: Tell) -> None:
        """The same for something that a person may cancel by the name of the run."""
        task = self.begin(work, tell)
        self._runs[run] = (starter, task)
        task.add_done_callback(lambda task: self._runs.pop(run, None))

    async def begin_again(self, inbox: Inbox, begin: Callable[[Delivery], bool]) -> None:
        """Take over what processes left that have died; `begin` is whether something is to be done."""
        for delivery in await inbox.abandoned(self._platform):
            self._log.info("taking up what another process left", key=delivery.key)
            try:
                is_begun = begin(delivery)
            except (KeyError, TypeError) as error:
                # Another version of Lorebot may have left it in another form.
                self._log.error("delivery not understood", key=delivery.key, error=self._explain(error))
                is_begun = False
            if not is_begun:
                await self._questions.finished(delivery.key)

    def run_of(self, run: str) -> str | None:
        """Who started a run that is on in this process."""
        return self._runs[run][0] if run in self._runs else None

    def cancel_run(self, run: str) -> None:
        """Stop a run."""
        if run in self._runs:
            self._runs[run][1].cancel()

    async def close(self, seconds: float) -> None:
        """End what is on: questions within so many seconds, all else at once."""
        await self._questions.close(seconds)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watched(self, work: Coroutine[Any, Any, None], tell: Tell, key: str | None) -> None:
        reference = new_reference() if key is None else reference_of(key)
        with working_on(reference):
            await self._see_through(work, tell, key, reference)

    async def _see_through(
        self, work: Coroutine[Any, Any, None], tell: Tell, key: str | None, reference: str
    ) -> None:
        try:
            await work
        except Exception as error:
            self._log.error(
                f"{self._platform} work failed",
                reference=reference,
                error=self._explain(error),
                trace=traceback.format_exc(),
            )
            await self._say_failed(tell, reference)
            if key is not None:
                await self._questions.finished(key)

    async def _say_failed(self, tell: Tell, reference: str) -> None:
        try:
            await tell(failure_line(reference))
        except Exception as error:
            self._log.error("person not told", reference=reference, error=self._explain(error))


async def take_up(
    take: Callable[[], Awaitable[None]],
    every_seconds: float,
    log: Log,
    explain: Callable[[BaseException], str],
) -> None:
    """Until cancelled, take up now and then what other processes left."""
    while True:
        try:
            await take()
        except Exception as error:
            log.error("abandoned questions not read", error=explain(error))
        await asyncio.sleep(every_seconds)
