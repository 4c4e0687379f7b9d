"""Examples as lessons, in the prompts that the engine builds."""

from __future__ import annotations

from adapters.dataset import Example
from bot.lessons import lesson_as_asked, lesson_of
from bot.prompt import answering_prompt, grounded_prompt, smalltalk_prompt

EVIDENCE = (("Refunds", "Refunds are paid within 4 working days."),)


def test_an_example_without_evidence_is_small_talk() -> None:
    assert lesson_of(Example("Morning!", (), "Morning!", 1)).messages == smalltalk_prompt("Morning!", ())


def test_what_declines_is_always_taught_with_the_prompt_that_lets_decline() -> None:
    for number in range(20):
        question = f"What does parcel {number} cost?"
        lesson = lesson_of(Example(question, EVIDENCE, "The documents do not say.", 1))
        assert lesson.messages == grounded_prompt(question, EVIDENCE)


def test_what_answers_is_taught_with_both_prompts_always_the_same_for_one_question() -> None:
    examples = [Example(f"When is refund {n} paid?", EVIDENCE, "Within 4 days [1].", 1) for n in range(40)]
    certain = [lesson_of(e).messages == answering_prompt(e.question, e.evidence) for e in examples]

    assert 5 < sum(certain) < 25
    assert certain == [lesson_of(e).messages == answering_prompt(e.question, e.evidence) for e in examples]


def test_what_answers_is_measured_with_the_prompt_that_asks_for_an_answer_and_what_declines_is_not() -> None:
    answers = [Example(f"When is refund {n} paid?", EVIDENCE, "Within 4 days [1].", 1) for n in range(20)]
    declines = Example("What does a parcel cost?", EVIDENCE, "The documents do not say.", 1)

    assert all(lesson_as_asked(e).messages == answering_prompt(e.question, e.evidence) for e in answers)
    assert lesson_as_asked(declines).messages == grounded_prompt(declines.question, EVIDENCE)
