import pytest

from knowledge.supersession import asks_for_the_past, is_superseded


@pytest.mark.parametrize(
    ("title", "superseded"),
    [
        ("Returns policy (June 2023, superseded)", True),
        ("Price list 2025 (no longer valid)", True),
        ("Returns policy", False),
        ("How we archive drawings", False),
    ],
)
def test_a_title_tells_that_its_document_no_longer_holds(title: str, superseded: bool) -> None:
    assert is_superseded(title, "") is superseded


@pytest.mark.parametrize(
    "question", ["What did the kettle cost in 2025?", "What was the previous price of the kettle?"]
)
def test_a_question_for_the_past_names_its_year_or_says_so(question: str) -> None:
    assert asks_for_the_past(question, "Price list 2025 (no longer valid)")


def test_a_question_for_today_does_not_ask_for_the_past() -> None:
    assert not asks_for_the_past("What does the kettle cost?", "Price list 2025 (no longer valid)")
