"""The engine and the memory as they are watched: each answer is counted, measured, traced and logged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from bot.database import Database
from bot.memory import Memory
from bot.metrics import Metrics, Unanswered
from bot.rate_limits import TooManyQuestionsError
from bot.telemetry import Trace, Tracing
from connectors.conversation import (
    Answer,
    Answered,
    AnswerEvent,
    Answering,
    Question,
    QuestionRefusedError,
    TextDelta,
)
from connectors.log import Log
from connectors.ports import Judgement
from connectors.reference import Request, current_request, reference_of


class Observed:
    """The port `Answering`, watched. What people wrote and read is neither counted, traced nor logged."""

    def __init__(
        self,
        engine: Answering,
        metrics: Metrics,
        tracing: Tracing,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._tracing = tracing
        self._log = log
        self._clock = clock

    async def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        """Yield what the engine yields, and raise what it raises."""
        platform = question.place.platform
        request = current_request() or Request(reference_of(question.id), self._clock())
        trace = self._tracing.begin(request.reference, platform)
        first_text: float | None = None
        answer: Answer | None = None
        with self._metrics.in_work():
            try:
                async with aclosing(self._engine.answer(question)) as events:
                    async for event in events:
                        if isinstance(event, TextDelta) and first_text is None:
                            first_text = self._clock() - request.began
                        elif isinstance(event, Answered):
                            answer = event.answer
                            self._answered(platform, answer, first_text, request, trace)
                        yield event
            except BaseException as error:
                if answer is None:
                    self._unanswered(platform, error, trace)
                raise

    def _answered(
        self, platform: str, answer: Answer, first_text: float | None, request: Request, trace: Trace
    ) -> None:
        total = self._clock() - request.began
        first = total if first_text is None else first_text
        self._metrics.answered(platform, answer, first, total)
        trace.answered(answer)
        self._log.info(
            "answered",
            platform=platform,
            answer=answer.id,
            route=answer.route,
            voice=answer.voice.name,
            first_text=round(first, 2),
            seconds=round(total, 2),
        )

    def _unanswered(self, platform: str, error: BaseException, trace: Trace) -> None:
        reason = _reason(error)
        self._metrics.unanswered(platform, reason)
        trace.unanswered(reason, error if reason == "failed" else None)
        if reason in ("limit", "refused"):
            self._log.info("question refused", platform=platform, reason=reason)


class CountedMemory(Memory):
    """The port `Memory`, with judgements counted."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        super().__init__(database)
        self._metrics = metrics

    async def judge(self, answer_id: str, who: str, judgement: Judgement) -> None:
        """Keep a person's judgement; see `Memory.judge`."""
        await super().judge(answer_id, who, judgement)
        self._metrics.judged(judgement)


def _reason(error: BaseException) -> Unanswered:
    if isinstance(error, TooManyQuestionsError):
        return "limit"
    if isinstance(error, QuestionRefusedError):
        return "refused"
    return "cancelled" if isinstance(error, GeneratorExit | asyncio.CancelledError) else "failed"
