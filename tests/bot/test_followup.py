import pytest

from bot.followup import leans_on_history, stand_alone
from connectors.conversation import Turn

RETURNS = Turn("How long do customers have to return something?", "They have 30 days [1].")


def test_a_question_without_history_stays_as_it_is() -> None:
    assert stand_alone("and for opened items?", []) == "and for opened items?"


def test_a_fragment_takes_the_question_before_it() -> None:
    assert stand_alone("And for opened items?", [RETURNS]) == (
        "How long do customers have to return something, for opened items?"
    )


def test_a_pronoun_is_explained_by_the_thing_that_the_answer_named() -> None:
    history = [Turn("Which lantern do we sell?", "We sell the Glowworm 300 [1].")]

    assert stand_alone("Is it waterproof?", history) == "Is it waterproof (Glowworm 300)?"


def test_a_pronoun_without_a_name_takes_the_question_before_it() -> None:
    assert stand_alone("Does that hold abroad?", [RETURNS]) == (
        "How long do customers have to return something? Does that hold abroad?"
    )


def test_a_chain_of_follow_ups_leads_back_to_its_start() -> None:
    history = [RETURNS, Turn("Does that hold abroad?", "Yes, everywhere [1].")]

    assert stand_alone("And for opened items?", history) == (
        "How long do customers have to return something, for opened items?"
    )


def test_a_fragment_that_names_another_thing_asks_the_same_about_it() -> None:
    history = [Turn("How much is the Corrie 0.9 kettle?", "The Corrie 0.9 costs £38.00 [1].")]

    assert stand_alone("And the Corrie 1.4?", history) == "How much is the Corrie 1.4 kettle?"


def test_a_person_named_in_the_answer_takes_the_place_of_the_pronoun() -> None:
    history = [Turn("Who led the team in sacks?", "Kawann Short led the team [1].")]

    assert stand_alone("How old is he?", history) == "How old is Kawann Short?"


@pytest.mark.parametrize(
    "question",
    [
        "What time does the Friday lorry leave?",
        "How old was Peyton Manning when he played in Super Bowl 50?",
        "In what year did Joseph Priestley recognize oxygen?",
        "Is it allowed to bring a dog to the office?",
    ],
)
def test_a_new_subject_is_left_alone(question: str) -> None:
    assert not leans_on_history(question)
    assert stand_alone(question, [RETURNS]) == question
