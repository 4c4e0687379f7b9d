"""A voice by prompt alone: examples of it as earlier turns of the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from adapters.generation import Message
from adapters.lesson import Lesson

SHOTS = 5

Chosen = TypeVar("Chosen")


def evenly_chosen(lessons: Sequence[Chosen], count: int) -> Sequence[Chosen]:
    """At most `count` of a list, which lie evenly over it."""
    if len(lessons) <= count:
        return lessons
    return [lessons[place * len(lessons) // count] for place in range(count)]


def few_shot(
    messages: tuple[Message, ...], lessons: Sequence[Lesson], count: int = SHOTS
) -> tuple[Message, ...]:
    """The prompt with `count` lessons of its kind shown before its question.

    Learning from examples in the prompt is from Brown et al. 2020 (arXiv 2005.14165). Of the lessons that
    share the prompt's system message, those that lie evenly over the list are taken, so that the same
    prompt always gets the same ones.
    """
    system, question = messages[0], messages[1:]
    kind = [lesson for lesson in lessons if lesson.messages[0] == system]
    shown = evenly_chosen(kind, count)
    turns = [
        message for lesson in shown for message in (*lesson.messages[1:], Message("assistant", lesson.reply))
    ]
    return (system, *turns, *question)
