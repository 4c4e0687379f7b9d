"""The life of one question, the same on every platform: its turn, its answer, what is said if it fails."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Protocol

from aiohttp import ClientError

from connectors.conversation import Answer, Answered, Progress, Question, QuestionRefusedError, TextDelta
from connectors.log import Log
from connectors.ports import Ports
from connectors.reference import current_reference, reference_of, working_on
from connectors.turns import Turn, Turns

AT_ONCE = 8
SURE = 0.5
FIRST_SIGN = Progress("Having a look")
_TELL_NUMBER_EVERY_SECONDS = 15.0
_TELL_AGAIN_AFTER_SECONDS = (1.0, 5.0, 30.0, 120.0)
_SHOW_AGAIN_AFTER_SECONDS = (1.0, 5.0, 15.0, 30.0, 45.0, 60.0)

# The platform was not reached, or broke off.
_UNREACHED = (ClientError, OSError)
_WITHDRAW_SECONDS = 5.0


class Surface(Protocol):
    """Where the answer to one question appears.

    A question ends in exactly one of `finish`, `fail` and `withdraw`; each may raise when the platform
    cannot be reached.
    """

    async def show_progress(self, progress: Progress) -> None:
        """Show what is being done, until text comes."""
        ...

    async def append(self, text: str) -> None:
        """Show a further piece of verified text."""
        ...

    async def finish(self, answer: Answer) -> bool:
        """Show the answer complete with its sources; whether a person sees it.

        When it was cut off on the way it may be given again, and is shown once.
        """
        ...

    async def fail(self, line: str) -> None:
        """Say in one line why there is no answer."""
        ...

    async def withdraw(self) -> None:
        """Take back what was shown; nobody waits for the answer, or another process gives it."""
        ...


class OnlyWhenSure:
    """A surface that stays empty unless the answer is in the documents with a confidence of `SURE`.

    `was_sure` tells afterwards whether it was.
    """

    def __init__(self, surface: Surface) -> None:
        self._surface = surface
        self.was_sure = False

    async def show_progress(self, progress: Progress) -> None:
        """Nothing is shown before the answer is known."""

    async def append(self, text: str) -> None:
        """Nothing is shown before the answer is known."""

    async def finish(self, answer: Answer) -> bool:
        """Show the answer if it is sure."""
        self.was_sure = answer.route == "knowledge" and answer.confidence >= SURE
        if self.was_sure:
            return await self._surface.finish(answer)
        await self._surface.withdraw()
        return False

    async def fail(self, line: str) -> None:
        """Nobody asked the bot, so nobody is told."""
        await self._surface.withdraw()

    async def withdraw(self) -> None:
        """Take back what was shown."""
        await self._surface.withdraw()


@dataclass(frozen=True, slots=True)
class Asking:
    """One question as a platform received it.

    `key` is that of its delivery. `prepare` makes the question when its turn has come: who reads the answer,
    what was said before, what is attached; it may raise `QuestionRefusedError`.
    """

    key: str
    person: str
    conversation: str
    text: str
    surface: Surface
    prepare: Callable[[], Awaitable[Question]]


@dataclass(slots=True)
class _InWork:
    conversation: str
    task: asyncio.Task[None]
    text: str
    turn: Turn
    is_withdrawn: bool = False


class Questions:
    """The questions that this process answers: at most `at_once` at a time, the others in a fair queue.

    `explain` puts the platform's errors into a line for the log.
    """

    def __init__(
        self, ports: Ports, log: Log, at_once: int, explain: Callable[[BaseException], str] = repr
    ) -> None:
        self._ports = ports
        self._log = log
        self._explain = explain
        self._turns = Turns(at_once)
        self._in_work: dict[str, _InWork] = {}

    async def ask(self, asking: Asking) -> None:
        """Answer a question, or say why not, and finish its delivery. Runs until the question has ended.

        A question that is cut off by the cancellation of this task stays in the inbox.
        """
        task = asyncio.current_task()
        if task is None or asking.key in self._in_work:
            return
        with working_on(reference_of(asking.key)):
            await self._ask(asking, task)

    async def _ask(self, asking: Asking, task: asyncio.Task[None]) -> None:
        work = _InWork(asking.conversation, task, asking.text, self._turns.request(asking.person))
        self._in_work[asking.key] = work
        try:
            told = await self._see_through(asking, work)
        except asyncio.CancelledError:
            await _withdraw(asking.surface)
            if not work.is_withdrawn:
                raise
            task.uncancel()
            told = True
        finally:
            work.turn.end()
            del self._in_work[asking.key]
        if told:
            await self.finished(asking.key)

    def cancel(self, key: str) -> bool:
        """Stop a question that nobody wants answered any more; False when it is not in work here."""
        work = self._in_work.get(key)
        if work is None or work.is_withdrawn:
            return False
        work.is_withdrawn = True
        work.task.cancel()
        return True

    def is_busy_with(self, conversation: str) -> bool:
        """Whether a question of this conversation is in work here."""
        return any(work.conversation == conversation for work in self._in_work.values())

    def revise(self, key: str, text: str) -> None:
        """The person edited the question; it counts if the answer has not started."""
        if key in self._in_work:
            self._in_work[key].text = text

    async def finished(self, key: str) -> None:
        """Note in the inbox that nothing more is to be done; a failure is logged."""
        try:
            await self._ports.inbox.finish(key)
        except Exception as error:
            self._log.error("delivery not finished", key=key, error=self._explain(error))

    async def released(self, key: str) -> None:
        """Note in the inbox that nobody was answered, and that it may be asked again; a failure is logged."""
        try:
            await self._ports.inbox.release(key)
        except Exception as error:
            self._log.error("delivery not released", key=key, error=self._explain(error))

    async def close(self, seconds: float) -> None:
        """End: what has begun may take so long; the rest stays in the inbox for another process."""
        tasks = []
        for work in list(self._in_work.values()):
            tasks.append(work.task)
            if not work.turn.is_working:
                work.task.cancel()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _see_through(self, asking: Asking, work: _InWork) -> bool:
        """Whether the person has the answer or knows why not."""
        surface = asking.surface
        try:
            await self._wait(surface, work.turn)
            await self._answer(asking, work)
            return True
        except QuestionRefusedError as refusal:
            work.turn.end()
            return await self._tell(asking, str(refusal))
        except Exception as error:
            work.turn.end()
            reference = current_reference()
            trace = traceback.format_exc()
            self._log.error(
                "question failed",
                reference=reference,
                key=asking.key,
                error=self._explain(error),
                trace=trace,
            )
            return await self._tell(asking, failure_line(reference))

    async def _wait(self, surface: Surface, turn: Turn) -> None:
        told = 0
        await surface.show_progress(FIRST_SIGN if turn.began.is_set() else waiting(turn.number))
        while not await turn.wait(_TELL_NUMBER_EVERY_SECONDS):
            if turn.number != told:
                told = turn.number
                await surface.show_progress(waiting(told))

    async def _answer(self, asking: Asking, work: _InWork) -> None:
        question = await asking.prepare()
        question = replace(question, text=work.text)
        answer: Answer | None = None
        async with aclosing(self._ports.answering.answer(question)) as events:
            async for event in events:
                if isinstance(event, Progress):
                    await asking.surface.show_progress(event)
                elif isinstance(event, TextDelta):
                    await asking.surface.append(event.text)
                elif isinstance(event, Answered):
                    answer = event.answer
        if answer is None:
            raise RuntimeError("the answer was cut off")
        if await self._show(asking, work, answer):
            await self._remember(asking.conversation, question, answer)

    async def _show(self, asking: Asking, work: _InWork, answer: Answer) -> bool:
        """Show the answer; a platform that cannot be reached gets it again, later each time."""
        for seconds in (*_SHOW_AGAIN_AFTER_SECONDS, None):
            if not await self._is_held(asking.key):
                await asking.surface.withdraw()
                return False
            try:
                return await asking.surface.finish(answer)
            except _UNREACHED as error:
                if seconds is None:
                    raise
                self._log.error(
                    "answer not shown", key=asking.key, error=self._explain(error), again_in=seconds
                )
            # Others need not wait for that.
            work.turn.end()
            await asyncio.sleep(seconds)
        raise AssertionError("the last attempt returns or raises")

    async def _is_held(self, key: str) -> bool:
        """Whether no other process answers it meanwhile; where that cannot be told, this one does."""
        try:
            return await self._ports.inbox.holds(key)
        except Exception as error:
            self._log.error("delivery not looked up", key=key, error=self._explain(error))
            return True

    async def _remember(self, conversation: str, question: Question, answer: Answer) -> None:
        """The person has the answer: that it cannot be kept is for the log alone."""
        try:
            await self._ports.memory.remember(conversation, question, answer)
        except Exception as error:
            self._log.error("answer not remembered", answer=answer.id, error=self._explain(error))

    async def _tell(self, asking: Asking, line: str) -> bool:
        for seconds in (*_TELL_AGAIN_AFTER_SECONDS, None):
            try:
                await asking.surface.fail(line)
                return True
            except Exception as error:
                self._log.error("person not told", key=asking.key, error=self._explain(error))
            if seconds is not None:
                await asyncio.sleep(seconds)
        return False


async def _withdraw(surface: Surface) -> None:
    with suppress(Exception):
        async with asyncio.timeout(_WITHDRAW_SECONDS):
            await surface.withdraw()


def waiting(number: int) -> Progress:
    """What a person sees who waits for a turn."""
    return Progress(f"You are number {number}")


def failure_line(reference: str) -> str:
    """What a person sees when something failed that the log explains under this reference."""
    return f"Something went wrong, and it is noted. Ask again, or give an admin the reference {reference}."
