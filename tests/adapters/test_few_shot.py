"""A voice by prompt alone, which a trained one has to beat."""

from __future__ import annotations

from adapters.few_shot import few_shot
from adapters.generation import Message
from adapters.lesson import Lesson


def lesson(system: str, number: int) -> Lesson:
    return Lesson((Message("system", system), Message("user", f"question {number}")), f"reply {number}")


LESSONS = [lesson("grounded", number) for number in range(10)] + [
    lesson("chat", number) for number in range(3)
]
PROMPT = (Message("system", "grounded"), Message("user", "and now?"))


def test_examples_stand_as_turns_before_the_question() -> None:
    messages = few_shot(PROMPT, LESSONS, count=2)

    assert messages == (
        Message("system", "grounded"),
        Message("user", "question 0"),
        Message("assistant", "reply 0"),
        Message("user", "question 5"),
        Message("assistant", "reply 5"),
        Message("user", "and now?"),
    )


def test_five_are_shown_and_always_the_same() -> None:
    replies = [message.content for message in few_shot(PROMPT, LESSONS) if message.role == "assistant"]

    assert replies == ["reply 0", "reply 2", "reply 4", "reply 6", "reply 8"]


def test_only_examples_of_the_same_kind_are_shown() -> None:
    prompt = (Message("system", "chat"), Message("user", "hello"))

    shown = few_shot(prompt, LESSONS)

    assert [message.content for message in shown if message.role == "assistant"] == [
        "reply 0",
        "reply 1",
        "reply 2",
    ]


def test_without_examples_of_its_kind_the_prompt_is_itself() -> None:
    prompt = (Message("system", "other"), Message("user", "hello"))

    assert few_shot(prompt, LESSONS) == prompt
