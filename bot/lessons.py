"""Examples of a voice as lessons: in exactly the prompts that the engine builds."""

from __future__ import annotations

import hashlib

from adapters.dataset import Example
from adapters.lesson import Lesson
from bot.citations import parse_markers
from bot.prompt import answering_prompt, grounded_prompt, smalltalk_prompt


def lesson_of(example: Example) -> Lesson:
    """The lesson that an example gives; one without evidence is small talk.

    Every third example that answers is taught with the prompt that asks for an answer, and the others, with
    all that decline, with the prompt that lets the model decline: so it learns that the first always has one.
    """
    return _lesson(example, _answers(example) and _every_third(example.question))


def lesson_as_asked(example: Example) -> Lesson:
    """The example with the prompt of an engine whose confidence is right, to measure what is then said.

    One that answers is asked for an answer, and one that declines may decline.
    """
    return _lesson(example, _answers(example))


def _lesson(example: Example, certain: bool) -> Lesson:
    if not example.evidence:
        return Lesson(smalltalk_prompt(example.question, ()), example.answer)
    prompt = answering_prompt if certain else grounded_prompt
    return Lesson(prompt(example.question, example.evidence), example.answer)


def _answers(example: Example) -> bool:
    return bool(parse_markers(example.answer)[1])


def _every_third(question: str) -> bool:
    """True for a third of all questions, always the same."""
    return hashlib.sha256(f"prompt: {question}".encode()).digest()[0] % 3 == 0
