"""A voice by prompt alone: examples of it as earlier turns of the conversation."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.generation import Message
from adapters.lesson import Lesson

SHOTS = 5


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
    shown = kind if len(kind) <= count else [kind[place * len(kind) // count] for place in range(count)]
    turns = [
        message for lesson in shown for message in (*lesson.messages[1:], Message("assistant", lesson.reply))
    ]
    return (system, *turns, *question)
