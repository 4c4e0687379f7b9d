"""What people see of a fault: somebody asks before and while it lasts, and on until an answer is right."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.faults.chats import Fate, Question
from benchmarks.faults.kinds import Fault
from benchmarks.faults.office import ROOMS, Room
from benchmarks.faults.scene import Scene

_LOOK_SECONDS = 0.1
_BEFORE_SECONDS = 120.0
_PROBE_EVERY_SECONDS = 2.0
_RECOVERS_WITHIN_SECONDS = 600.0
_SETTLES_WITHIN_SECONDS = 420.0
_LAST_SECONDS = 5.0
_IN_WORK_SECONDS = 0.3
_LINE_STAYS_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A fault that lasted `seconds`, and every question that was asked while it did or just before.

    `recovered` is by platform the seconds from its end to the first right answer to a question asked after
    it, `told` what was said in place of answers, `missing` what `/readyz` named meanwhile.
    """

    fault: str
    seconds: float
    asked: tuple[Question, ...]
    later: tuple[Question, ...]
    recovered: dict[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def told(self) -> Counter[str]:
        return Counter(
            seen.words for each in (*self.asked, *self.later) if each.fate == "told" for seen in each.seen
        )

    def count(self, fate: Fate) -> int:
        """How many questions had this fate, of those that were asked while the fault lasted."""
        return sum(each.fate == fate for each in self.asked)

    @property
    def doubled(self) -> int:
        return sum(each.is_doubled for each in (*self.asked, *self.later))

    @property
    def slowest(self) -> float | None:
        """The longest wait for an answer, in seconds."""
        return max((each.answered - each.at for each in self.asked if each.answered), default=None)


async def measure(scene: Scene, fault: Fault, seconds: float, every: float) -> Measured:
    """Make a fault for so long while somebody asks `every` so many seconds on each platform.

    Raises `RuntimeError` when something is wrong before it.
    """
    rooms = itertools.cycle(ROOMS)
    await _is_well(scene, rooms)
    # These are in work when it begins.
    asked = [await chat.ask(next(rooms)) for chat in scene.chats]
    missing: set[str] = set()
    await asyncio.sleep(_IN_WORK_SECONDS)
    async with fault.making(scene):
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            asked += [await chat.ask(next(rooms)) for chat in scene.chats]
            await _pass(asked, every)
            missing |= set(await scene.served.missing())
        lasted = time.monotonic() - began
    later: list[Question] = []
    recovered = await _recovered(scene, rooms, asked, later)
    await _settled([*asked, *later], _SETTLES_WITHIN_SECONDS)
    await asyncio.sleep(_LAST_SECONDS)
    return Measured(fault.name, lasted, tuple(asked), tuple(later), recovered, tuple(sorted(missing)))


async def _is_well(scene: Scene, rooms: Iterator[Room]) -> None:
    asked = [await chat.ask(next(rooms)) for chat in scene.chats]
    await _settled(asked, _BEFORE_SECONDS)
    for each in asked:
        if each.fate != "right" or each.is_doubled:
            raise RuntimeError(f"{each.chat.name} answers wrongly before the fault: {each.seen}")


async def _recovered(
    scene: Scene, rooms: Iterator[Room], asked: list[Question], later: list[Question]
) -> dict[str, float]:
    """Ask on each platform until an answer to one of these questions is right; the seconds until then."""
    over, found = time.monotonic(), dict[str, float]()
    while len(found) < len(scene.chats) and time.monotonic() - over < _RECOVERS_WITHIN_SECONDS:
        later += [await chat.ask(next(rooms)) for chat in scene.chats if chat.name not in found]
        ends = time.monotonic() + _PROBE_EVERY_SECONDS
        while time.monotonic() < ends and len(found) < len(scene.chats):
            await _pass([*asked, *later], _LOOK_SECONDS)
            for each in later:
                if each.is_answered() and each.fate == "right":
                    found.setdefault(each.chat.name, time.monotonic() - over)
    return found


async def _settled(questions: list[Question], seconds: float) -> None:
    """Wait until each has an answer, or for a while a line in its place; so long at most."""
    began = open_at = time.monotonic()
    while time.monotonic() - began < seconds and not all(map(Question.is_answered, questions)):
        if any(each.fate == "lost" for each in questions):
            open_at = time.monotonic()
        elif time.monotonic() - open_at > _LINE_STAYS_SECONDS:
            return
        await _pass(questions, _LOOK_SECONDS)


async def _pass(questions: list[Question], seconds: float) -> None:
    """Let so many seconds pass, and notice which questions are answered meanwhile."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for each in questions:
            each.is_answered()
        await asyncio.sleep(min(_LOOK_SECONDS, seconds))
