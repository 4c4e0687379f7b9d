"""What passages say that an acronym means."""

from __future__ import annotations

import pytest

from knowledge.acronyms import acronyms_in, explained
from knowledge.alternatives import Alternative

PAID_TIME_OFF = Alternative(("pto",), ("paid", "time", "off"))


def meanings(question: str, *texts: str) -> tuple[Alternative, ...]:
    return explained(question, texts, frozenset({"safe"}))


@pytest.mark.parametrize(
    "text",
    [
        "Every year you get paid time off (PTO) of 20 days.",
        "PTO (paid time off) is 20 days.",
        "PTOs (paid time off) come in days.",
        "See the Paid Time Off section.",
    ],
)
def test_an_acronym_stands_for_what_a_passage_says(text: str) -> None:
    assert meanings("How many days of PTO?", text) == (PAID_TIME_OFF,)


def test_an_explained_acronym_needs_no_capitals() -> None:
    assert meanings("how much pto do i get", "Paid time off (PTO) is 20 days.") == (PAID_TIME_OFF,)


def test_words_that_are_also_common_ones_need_their_capitals() -> None:
    text = "Use the Secure Automated File Exchange (SAFE)."
    assert meanings("is it safe to open?", text) == ()
    assert meanings("What is SAFE?", text) == (
        Alternative(("safe",), ("secure", "automated", "file", "exchange")),
    )


def test_words_of_the_question_stand_for_their_acronym() -> None:
    found = meanings("How much paid time off is there?", "PTO (paid time off) is 20 days.")
    assert found == (Alternative(("paid", "time", "off"), ("pto",)),)


def test_stop_words_may_be_passed_over() -> None:
    found = meanings("Who pays at the DE?", "the Department of Education (DE)")
    assert found == (Alternative(("de",), ("department", "of", "education")),)


def test_brackets_that_hold_something_else_explain_nothing() -> None:
    assert meanings("How many days of PTO?", "PTO (twenty days) and paid holidays (PTO)") == ()


def test_small_words_with_the_initials_are_no_meaning() -> None:
    assert meanings("Days of PTO?", "people tend to offer help") == ()


def test_another_acronym_is_not_taken() -> None:
    assert meanings("How many days of PTO?", "time off in lieu (TOIL)") == ()


def test_a_question_in_capitals_holds_no_acronyms() -> None:
    assert acronyms_in("HOW MUCH PTO DO I GET") == ()
    assert acronyms_in("how much PTO do I get") == ("pto",)


def test_hostile_brackets_are_read_in_no_time() -> None:
    assert meanings("PTO?", "A " * 3000 + "(" * 3000, "(PTO" * 3000) == ()
