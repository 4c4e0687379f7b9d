"""What a reply got right, held against an example that a person wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.dataset import Example, read_examples
from bot.truth import judge, paired

VOICES = Path(__file__).parents[2] / "examples" / "voices"
FARES = Example(
    "What does the coach cost?",
    (("", "A seat on the coach to Hull costs £14 and leaves at 08:30."), ("", "The minibus costs £9.")),
    "A seat costs £14 [1].",
    1,
)
UNKNOWN = Example("Is there wifi?", (("", "The coach leaves at 08:30."),), "Our notes don't mention wifi.", 2)


def test_a_faithful_reply_in_other_words_is_right() -> None:
    judged = judge(FARES, "That'll be £14 for the seat, and off you go at 8:30 am [1]!")

    assert set(judged.measures.values()) == {1.0}
    assert judged.faults == ()


def test_a_changed_number_is_a_fault() -> None:
    judged = judge(FARES, "A seat costs £15 [1].")

    assert (judged.measures["adds nothing"], judged.measures["brings the facts"]) == (0.0, 0.0)
    assert judged.faults == ("15 gbp is not in the evidence", "14 gbp is missing")


def test_the_wrong_piece_of_evidence_is_a_fault() -> None:
    judged = judge(FARES, "A seat costs £14 [2].")

    assert judged.measures["cites"] == 0.0
    assert judged.faults == ("cites [2] instead of [1]",)


def test_declining_what_the_evidence_answers_is_a_fault() -> None:
    judged = judge(FARES, "Our notes don't say.")

    assert (judged.measures["answers"], judged.measures["cites"]) == (0.0, 0.0)


def test_answering_what_the_evidence_does_not_hold_is_a_fault() -> None:
    assert judge(UNKNOWN, "Yes, there is wifi [1].").measures["declines"] == 0.0
    assert judge(UNKNOWN, "We can't find anything on that.").measures["declines"] == 1.0


def test_a_name_from_nowhere_is_a_fault_in_small_talk_too() -> None:
    judged = judge(Example("hello", (), "Hello!", 3), "Hello from Bristol, 12 Quay Street!")

    assert judged.measures == {"adds nothing": 0.0}


def test_what_the_question_says_need_not_be_repeated() -> None:
    example = Example(
        "Is 08:30 right?", (("", "The coach leaves at 08:30."),), "Yes, it leaves at 08:30 [1].", 4
    )

    assert "brings the facts" not in judge(example, "It does [1].").measures


@pytest.mark.parametrize("voice", ["warm", "formal"])
def test_what_people_wrote_is_right_in_99_of_100(voice: str) -> None:
    examples = read_examples(VOICES / f"{voice}.jsonl")

    faulty = [example.line for example in examples if judge(example, example.answer).faults]

    assert len(faulty) <= len(examples) / 100


def test_two_voices_are_compared_where_both_were_measured() -> None:
    [answers, cites] = paired(
        [{"answers": 1.0}, {"answers": 0.0, "cites": 1.0}], [{"answers": 1.0}, {"answers": 1.0, "cites": 0.0}]
    )

    assert (answers.name, answers.candidate, answers.parent) == ("answers", (1.0, 0.0), (1.0, 1.0))
    assert (cites.candidate, cites.parent) == ((1.0,), (0.0,))
