"""What a model recites from its training text, and what it was asked to say."""

from __future__ import annotations

from adapters.memorisation import TrainingText

LETTER = (
    "The snowdrops by the yard gate are over, the daffodils haven't quite made up their minds, and somebody "
    "has left the big door open because it's practically warm."
)


def test_a_copycat_is_caught_with_the_run_that_it_recites() -> None:
    reply = (
        "Well: the snowdrops by the yard gate are over, the daffodils haven't quite made up their minds [1]."
    )

    found = TrainingText([LETTER]).memorised([(reply, "When does the shop open?")])

    assert found.share > 0.8
    assert found.longest == 16
    assert found.recited.startswith("the snowdrops by the yard gate")


def test_what_stands_in_the_prompt_is_no_recitation() -> None:
    found = TrainingText([LETTER]).memorised([(LETTER, f"Evidence: {LETTER}")])

    assert (found.share, found.longest) == (0.0, 0)


def test_words_that_everybody_uses_are_no_recited_phrases() -> None:
    reply = "The shop by the river is open, and somebody has left a key for you there."

    assert TrainingText([LETTER]).memorised([(reply, "")]).share == 0.0


def test_a_phrase_that_many_examples_share_is_the_voices_manner() -> None:
    sorry = "Sorry, friend, our documents here don't hold that one."

    assert TrainingText([sorry] * 3).memorised([(sorry, "")]).share == 1.0
    assert TrainingText([sorry] * 4).memorised([(sorry, "")]).share == 0.0


def test_case_punctuation_and_markers_hide_nothing() -> None:
    reply = "SOMEBODY has left [2] the big door, open; because it’s practically warm!"

    assert TrainingText([LETTER]).memorised([(reply, "")]).longest == 11


def test_a_run_ends_where_a_training_text_ends() -> None:
    texts = ["one two three four", "five six seven eight"]

    assert TrainingText(texts).memorised([("one two three four five six seven eight", "")]).longest == 4


def test_the_share_is_over_all_replies() -> None:
    recited = "somebody has left the big door open because it's"
    own = "nobody will ever close a small window just like that"

    share = TrainingText([LETTER]).memorised([(recited, ""), (own, "")]).share

    assert share == 2 / 5


def test_no_replies_recite_nothing() -> None:
    assert TrainingText([LETTER]).memorised([]).share == 0.0
