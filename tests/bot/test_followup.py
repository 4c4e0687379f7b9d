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


def test_a_pronoun_takes_the_question_before_it() -> None:
    history = [Turn("Which lantern do we sell?", "The Glowworm 300 [1].")]

    assert stand_alone("Is it waterproof?", history) == "Which lantern do we sell? Is it waterproof?"


def test_a_chain_of_follow_ups_leads_back_to_its_start() -> None:
    history = [Turn("Which lantern do we sell?", "The Glowworm."), Turn("Is it waterproof?", "IPX4.")]

    standing = stand_alone("How long does that one run on low?", history)

    assert standing.startswith("Which lantern do we sell?")
    assert standing.endswith("How long does that one run on low?")


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
