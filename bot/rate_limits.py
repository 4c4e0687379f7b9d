"""How many questions one person may ask, and how many may be asked in one place."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from bot.places import name_place
from connectors.conversation import AnswerEvent, Answering, Asker, Question, QuestionRefusedError

# Of so many persons and places it is remembered what they asked, about 150 bytes each.
MOST_REMEMBERED = 20_000


class TooManyQuestionsError(QuestionRefusedError):
    """More was asked than may be; the message says when to ask again."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many questions at once, and as many in each further period of `seconds`, one by one."""

    questions: int
    seconds: float

    @property
    def interval(self) -> float:
        """Seconds after which one more question may be asked."""
        return self.seconds / self.questions


class RateLimit:
    """One allowance for each of many keys, by the generic cell rate algorithm.

    https://www.itu.int/rec/T-REC-I.371, annex A.1: of each key it is known until when its questions last, if
    one counts for an interval. What has run out by now is forgotten; of too many keys, those that run out
    first.
    """

    def __init__(self, allowance: Allowance, most_remembered: int = MOST_REMEMBERED) -> None:
        self.allowance = allowance
        self._interval = allowance.interval
        self._ahead = allowance.seconds - allowance.interval
        self._most = most_remembered
        self._lasts: dict[str, float] = {}

    def wait(self, key: str, now: float) -> float:
        """Seconds until a question may be counted; 0 when it may be now."""
        return max(0.0, self._lasts.get(key, now) - self._ahead - now)

    def count(self, key: str, now: float) -> None:
        """One more question was asked."""
        self._lasts[key] = max(now, self._lasts.get(key, now)) + self._interval
        if len(self._lasts) > self._most:
            self._forget(now)

    @property
    def remembered(self) -> int:
        """Of how many keys it is known what they asked."""
        return len(self._lasts)

    def _forget(self, now: float) -> None:
        lasting = [(last, key) for key, last in self._lasts.items() if last > now]
        lasting.sort(reverse=True)
        self._lasts = {key: last for last, key in lasting[: self._most * 9 // 10]}


class QuestionLimits:
    """The limits of all persons and places of one process; None for no limit."""

    def __init__(
        self,
        person: Allowance | None,
        place: Allowance | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._persons = None if person is None else RateLimit(person)
        self._places = None if place is None else RateLimit(place)
        self._clock = clock

    def admit(self, question: Question) -> None:
        """Count a question for its asker, and for its place where others read too.

        Raises `TooManyQuestionsError`; a question that is refused is not counted.
        """
        now, where = self._clock(), question.place
        person, persons = f"{where.platform}:{question.asker.id}", self._persons
        place, places = name_place(where), None if where.principals is None else self._places
        if persons is not None and (wait := persons.wait(person, now)):
            raise TooManyQuestionsError(
                f"I take {_rate(persons.allowance)} from one person, and you have asked more. "
                f"Ask again in {_duration(wait)}."
            )
        if places is not None and (wait := places.wait(place, now)):
            raise TooManyQuestionsError(
                f"I take {_rate(places.allowance)} in one place, and more was asked here. "
                f"Ask again in {_duration(wait)}, or in a direct message."
            )
        if persons is not None:
            persons.count(person, now)
        if places is not None:
            places.count(place, now)


class RateLimited:
    """The port `Answering` within limits: what exceeds them is refused before anything is read or written."""

    def __init__(self, engine: Answering, limits: QuestionLimits, is_exempt: Callable[[Asker], bool]) -> None:
        self._engine = engine
        self._limits = limits
        self._is_exempt = is_exempt

    async def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        """Yield what the engine yields. Raises `TooManyQuestionsError` before any event."""
        if not self._is_exempt(question.asker):
            self._limits.admit(question)
        async with aclosing(self._engine.answer(question)) as events:
            async for event in events:
                yield event


def _rate(allowance: Allowance) -> str:
    number = f"{allowance.questions} question{'' if allowance.questions == 1 else 's'}"
    return f"{number} in {_duration(allowance.seconds)}"


def _duration(seconds: float) -> str:
    """A duration in words, rounded up."""
    whole = max(1, math.ceil(seconds))
    for unit, length in (("hour", 3600), ("minute", 60)):
        if whole >= 2 * length or whole == length:
            number = math.ceil(whole / length)
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{whole} second{'' if whole == 1 else 's'}"
