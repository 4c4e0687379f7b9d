"""The figures of an adapter against their bounds: what fails, with which words, and what does not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from adapters.evaluation import (
    ADAPTER,
    BASE_MODEL,
    FIVE_EXAMPLES,
    PARENT,
    Bounds,
    Measured,
    Paired,
    Speed,
    Style,
    check,
    figures,
)
from adapters.memorisation import Memorisation

BOUNDS = Bounds()
SPEAKERS = (ADAPTER, PARENT, BASE_MODEL, FIVE_EXAMPLES)
STYLE = Style(
    score={ADAPTER: 0.93, PARENT: 0.2, BASE_MODEL: 0.02, FIVE_EXAMPLES: 0.3},
    told_from={BASE_MODEL: 0.97, PARENT: 0.9},
)
VOICE = Measured(
    parent="grounded@1",
    rows=38,
    log_probability={ADAPTER: -1.1, PARENT: -1.9, BASE_MODEL: -2.8, FIVE_EXAMPLES: -2.2},
    style=STYLE,
    truth=(Paired("answers", (1.0,) * 38, (1.0,) * 38),),
    memorisation=Memorisation(0.01, 9, "nine words"),
    words=13.0,
    words_of_examples=12.0,
    speed=dict.fromkeys(SPEAKERS, Speed(20.0, 0.4)),
    engine={},
)


def failures(measured: Measured) -> list[str]:
    return [one.sentence for one in check(measured, BOUNDS) if not one.passed]


def answering(right: int, of: int, parent_right: int) -> Measured:
    return replace(
        VOICE,
        truth=(
            Paired(
                "answers",
                (1.0,) * right + (0.0,) * (of - right),
                (1.0,) * parent_right + (0.0,) * (of - parent_right),
            ),
        ),
    )


def test_a_sound_voice_passes() -> None:
    assert failures(VOICE) == []


# Style


@pytest.mark.parametrize("speaker", [PARENT, BASE_MODEL, FIVE_EXAMPLES])
def test_a_voice_that_others_speak_as_probably_fails(speaker: str) -> None:
    measured = replace(VOICE, log_probability={**VOICE.log_probability, speaker: -1.0})

    [reason] = failures(measured)

    assert "-1.10" in reason
    assert "-1.00" in reason


@pytest.mark.parametrize(("speaker", "share"), [(BASE_MODEL, 0.94), (PARENT, 0.5)])
def test_a_voice_that_is_not_told_from_another_speaker_fails(speaker: str, share: float) -> None:
    style = replace(STYLE, told_from={**STYLE.told_from, speaker: share})

    [reason] = failures(replace(VOICE, style=style))

    assert f"{share:.0%}" in reason


def test_a_voice_that_a_prompt_imitates_as_well_fails() -> None:
    style = replace(STYLE, score={**STYLE.score, FIVE_EXAMPLES: 0.95})

    [reason] = failures(replace(VOICE, style=style))

    assert "five examples" in reason


def test_terms_that_are_banned_or_missing_are_named() -> None:
    style = replace(STYLE, banned=("hereby",), missing=("kit",))

    assert [reason.rpartition(": ")[2] for reason in failures(replace(VOICE, style=style))] == [
        "hereby",
        "kit",
    ]


def test_a_skill_without_parent_needs_no_style() -> None:
    skill = replace(VOICE, parent="base", style=None, log_probability={ADAPTER: -2.0, BASE_MODEL: -1.0})

    assert failures(skill) == []


# Truth


def test_a_voice_that_loses_truth_fails() -> None:
    [reason] = failures(answering(right=32, of=38, parent_right=38))

    assert reason.startswith("answers: 0.842, and 1.000 for grounded@1 on the same 38 questions")


def test_one_answer_less_among_forty_says_nothing() -> None:
    assert failures(answering(right=37, of=38, parent_right=38)) == []


def test_a_small_loss_on_many_questions_fails() -> None:
    assert failures(answering(right=950, of=1000, parent_right=1000)) != []


def test_a_loss_within_the_margin_passes_on_any_number_of_questions() -> None:
    assert failures(answering(right=975, of=1000, parent_right=1000)) == []


def test_a_loss_on_every_question_fails_however_few_there_are() -> None:
    assert failures(answering(right=0, of=2, parent_right=2)) != []


def test_only_questions_that_were_answered_otherwise_count_for_the_error() -> None:
    swapped = Paired("answers", (1.0, 0.0) * 19, (0.0, 1.0) * 19)
    equal = Paired("answers", (1.0, 0.0) * 19, (1.0, 0.0) * 19)

    assert swapped.fall == equal.fall == 0.0
    assert swapped.error > equal.error == 0.0


# Memorisation, length, number of examples


@pytest.mark.parametrize("found", [Memorisation(0.2, 9, "…"), Memorisation(0.01, 40, "forty words")])
def test_a_voice_that_recites_fails(found: Memorisation) -> None:
    [reason] = failures(replace(VOICE, memorisation=found))

    assert "recit" in reason


@pytest.mark.parametrize("words", [5.0, 40.0, 0.0])
def test_answers_of_another_length_than_the_examples_fail(words: float) -> None:
    [reason] = failures(replace(VOICE, words=words))

    assert f"{words:.0f} words" in reason


def test_too_few_examples_prove_nothing() -> None:
    [reason] = failures(replace(VOICE, rows=4))

    assert reason.startswith("4 held-out examples")


def test_figures_are_json_with_bounds_and_checks() -> None:
    found = json.loads(json.dumps(figures(VOICE, BOUNDS)))

    assert found["truth"]["answers"] == {
        "adapter": 1.0,
        "parent": 1.0,
        "standard_error": 0.0,
        "questions": 38,
    }
    assert found["bounds"]["truth_margin"] == 0.03
    assert len(found["checks"]) == len(check(VOICE, BOUNDS))
