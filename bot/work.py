"""One question in hand: the index it is asked of, who answers, and what was found and said so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from adapters.generation import BASE, AdapterVersion
from bot.disagreement import Disagreement
from bot.draft import Draft
from bot.evidence import Evidence
from connectors.conversation import Question, Timings
from knowledge.documents import FoundPassage, Reader
from knowledge.terms import stem


class Index(Protocol):
    """What the engine needs of the knowledge wing for one question."""

    def find(self, question: str, reader: Reader, limit: int) -> tuple[FoundPassage, ...]: ...

    def corrected(self, question: str, reader: Reader) -> str: ...

    def term_weights(self, question: str) -> dict[str, float]: ...

    def readable_passages(self, reader: Reader) -> int: ...

    def generation(self) -> int: ...


class Library(Protocol):
    """Gives each question the index as it is when the question comes."""

    def reading(self) -> AbstractContextManager[Index]: ...


class Stopwatch:
    """Seconds since a question came, and since the last lap."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.started = self._lap = clock()
        self.first_text: float | None = None

    def lap(self) -> float:
        """Seconds since the last lap, or the start."""
        now = self._clock()
        spent, self._lap = now - self._lap, now
        return spent

    def saw_text(self) -> None:
        """Note when the first text came."""
        if self.first_text is None:
            self.first_text = self._clock() - self.started

    def timings(self, laps: Mapping[str, float]) -> Timings:
        """All laps by name, with the first text and the whole."""
        total = self._clock() - self.started
        return Timings(**laps, first_text=total if self.first_text is None else self.first_text, total=total)


@dataclass(slots=True)
class Work:
    """One question in hand; `rests_on` are the places of the evidence that the model's sentences rest on.

    `model` is the one that answers, "" for the one that was asked.
    """

    question: Question
    text: str
    speaker: AdapterVersion
    index: Index
    watch: Stopwatch
    laps: dict[str, float]
    draft: Draft
    rests_on: set[int] = field(default_factory=set)
    declined: bool = False
    model: str = ""

    def be_spoken_by(self, model: str, speaker: AdapterVersion) -> None:
        """Note that another model answers than was asked, or another adapter."""
        self.model, self.speaker = model, speaker

    @property
    def is_trained(self) -> bool:
        """Whether an adapter speaks, which has learned to cite and to decline."""
        return self.speaker.name != BASE

    @property
    def colour(self) -> frozenset[str]:
        """Stems that the speaker uses without claiming anything."""
        return frozenset(stem(list(self.speaker.colour)))


@dataclass(frozen=True, slots=True)
class Found:
    """What was read for a question: `confidence` is the probability that the evidence holds the answer."""

    passages: tuple[FoundPassage, ...]
    evidence: tuple[Evidence, ...]
    confidence: float
    disagreements: tuple[Disagreement, ...]


NOTHING = Found((), (), 0.0, ())
