"""The words that carry a voice, and what the verifier lets them do."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.dataset import Example, read_examples
from bot.citations import parse_markers
from bot.colour import colour_of
from bot.declining import declines
from bot.grounding import support
from bot.sentences import sentence_spans

VOICES = Path(__file__).parents[2] / "examples" / "voices"
REFUND = "Refunds are paid within 4 working days."


def example(answer: str, *evidence: str) -> Example:
    return Example("When?", tuple(("", text) for text in evidence), answer, 1)


def test_colour_is_what_many_answers_say_unprompted_and_no_evidence_speaks_of() -> None:
    examples = [example("Hooray, promptly: they are paid, free [1].", REFUND) for _ in range(4)]
    examples.append(example("Parking costs nothing [1].", "Parking is free."))

    assert colour_of(examples) == ("hoorai", "promptli")


def test_what_few_answers_say_is_no_colour() -> None:
    assert colour_of([example("Hooray, they are paid [1].", REFUND) for _ in range(3)]) == ()


@pytest.mark.parametrize("voice", ["warm", "formal"])
def test_every_answer_of_the_shipped_examples_is_supported_by_the_evidence_it_cites(voice: str) -> None:
    examples = read_examples(VOICES / f"{voice}.jsonl")
    colour = frozenset(colour_of(examples))

    for entry in examples:
        for start, end in sentence_spans(entry.answer):
            sentence, markers = parse_markers(entry.answer[start:end])
            if markers:
                context, text = entry.evidence[markers[0] - 1]
                found = support(sentence, text, context, colour)
                assert found.sufficient, f"line {entry.line}: {sentence} ({found})"


def test_colour_excuses_no_number_and_no_negation() -> None:
    colour = frozenset(("hoorai", "glad"))

    assert support("Hooray, refunds are paid within 4 working days.", REFUND, "", colour).sufficient
    assert not support("Hooray, refunds are paid within 3 working days.", REFUND, "", colour).sufficient
    assert not support("Hooray, refunds are not paid within 4 working days.", REFUND, "", colour).sufficient
    assert not support("Glad, hooray.", REFUND, "", colour).sufficient


@pytest.mark.parametrize(
    ("sentence", "markers", "refuses"),
    [
        ("The evidence does not hold the answer.", (), True),
        ("Oh, we're so sorry, our documents don't hold that one.", (), True),
        ("No answer to this question can be found.", (), True),
        ("Sale items cannot be refunded.", (1,), False),
        ("Refunds take 4 days.", (), False),
    ],
)
def test_a_refusal_denies_something_and_cites_nothing(
    sentence: str, markers: tuple[int, ...], refuses: bool
) -> None:
    assert declines(sentence, markers) is refuses
