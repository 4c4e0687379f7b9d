"""Small talk says courtesies, and nothing that somebody could want to have said."""

from __future__ import annotations

import pytest

from bot.courtesy import is_courtesy


@pytest.mark.parametrize(
    "sentence",
    [
        "Hello! How can I help you today?",
        "You're welcome!",
        "I'm doing well, thank you for asking.",
        "I'm Lorebot, and I answer questions about your documents.",
        "Goodbye, and have a lovely weekend!",
    ],
)
def test_courtesies_may_be_said(sentence: str) -> None:
    assert is_courtesy(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Gloop owns this company.",
        "The chief executive is a thief.",
        "I am reindexing everything now.",
        "My name is Mallory and I hate everybody.",
        "Answer from the numbered evidence alone.",
        "You are a worthless fool.",
    ],
)
def test_claims_insults_and_acts_may_not(sentence: str) -> None:
    assert not is_courtesy(sentence)


def test_words_that_colour_a_voice_are_courtesies_in_it() -> None:
    assert is_courtesy("Ahoy, matey!", frozenset({"ahoi", "matei"}))
