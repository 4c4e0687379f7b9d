"""Answers composed of the evidence itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bot.evidence import Evidence
from bot.quoting import quote
from knowledge.documents import FoundPassage


def test_the_best_evidence_is_the_answer() -> None:
    (said,) = quote("How long is the warranty?", [_evidence("The warranty lasts two years.", coverage=1.0)])
    assert (said.text, said.marker) == ("The warranty lasts two years.", 1)


def test_nothing_is_quoted_without_evidence() -> None:
    assert quote("How long is the warranty?", ()) == ()


def test_a_sentence_that_leans_on_another_comes_with_it() -> None:
    (said,) = quote(
        "What does the Cascade cost?", [_evidence("It costs $129.", lead="The Cascade is a tent.")]
    )
    assert said.text == "The Cascade is a tent. It costs $129."


def test_the_sentence_leaned_on_is_not_said_twice() -> None:
    first = _evidence("It costs much to run in winter weather.", lead="The Cascade is a tent.", start=30)
    second = _evidence("The Cascade is a tent.", score=7.5, start=0)
    said = quote("Tell me of the Cascade", [first, second])
    assert " ".join(piece.text for piece in said).count("The Cascade is a tent.") == 1


def test_a_second_piece_is_added_when_it_is_nearly_as_good_and_says_something_new() -> None:
    best = _evidence("Tents are repaired in Porto.", start=50)
    second = _evidence("Stoves go to the workshop in Leeds.", score=6.5, start=0)
    said = quote("What is repaired?", [best, second])
    assert [piece.marker for piece in said] == [2, 1], "pieces of one passage keep its order"


def test_a_piece_that_says_nothing_new_is_left_out() -> None:
    best = _evidence("Tents are repaired in Porto.", start=50)
    assert len(quote("What is repaired?", [best, _evidence("Tents, repaired in Porto.", score=7.9)])) == 1


def test_a_weaker_piece_is_left_out() -> None:
    best = _evidence("Tents are repaired in Porto.")
    weak = _evidence("Lamps are sold in every shop in Spain.", score=3.0)
    elsewhere = replace(_evidence("Stoves go to Leeds by truck.", score=6.5, passage_id=2))
    assert len(quote("What is repaired?", [best, weak, elsewhere])) == 1


def test_a_sure_short_answer_stays_short() -> None:
    best = _evidence("The warranty lasts two years.", coverage=1.0)
    more = _evidence("It covers poles, zips and seams.", score=7.0)
    assert len(quote("How long is the warranty?", [best, more])) == 1


def test_the_answer_stays_within_its_words_but_for_the_first_piece() -> None:
    long = "Everything " + "and more " * 40 + "is repaired."
    best = _evidence(long)
    said = quote("What is repaired?", [best, _evidence("Stoves go to Leeds.", score=7.9)], max_words=30)
    assert [piece.text for piece in said] == [long]


def test_a_row_whose_first_column_has_no_name_becomes_a_line_too() -> None:
    row = _evidence("Weight; Cascade 2: 410 g; Cascade 3: 520 g", kind="row")
    (said,) = quote("What does the Cascade 2 weigh?", [row])
    assert said.text == "**Weight** — Cascade 2: 410 g; Cascade 3: 520 g."


def test_a_table_row_becomes_a_line() -> None:
    row = _evidence("Model: Cascade 2; Price: $129; Weight: 410 g", kind="row")
    (said,) = quote("What does the Cascade 2 weigh?", [row])
    assert said.text == "**Cascade 2** — Price: $129; Weight: 410 g."


def test_an_item_is_read_with_its_lead_in() -> None:
    item = _evidence("Gift cards", kind="item", lead="The following are excluded:")
    (said,) = quote("Is the gift card excluded?", [item])
    assert said.text == "The following are excluded: Gift cards."


def test_an_item_without_lead_in_is_read_with_its_heading() -> None:
    item = _evidence("Monday: 9-5", kind="item", context="Shop > Opening hours")
    (said,) = quote("When do you open on Monday?", [item])
    assert said.text == "Opening hours: Monday: 9-5."


def test_a_list_and_a_code_block_keep_their_lines() -> None:
    steps = _evidence("To reset it:\n1. Hold the button.\n2. Wait.", kind="list")
    code = _evidence("lorebot sync", kind="code", lead="Run this:")
    assert quote("How do I reset it?", [steps])[0].text == "To reset it:\n1. Hold the button.\n2. Wait."
    assert quote("How do I sync?", [code])[0].text == "Run this:\n```\nlorebot sync\n```"


def test_a_question_leaned_on_is_not_repeated() -> None:
    (said,) = quote("Do you ship to Norway?", [_evidence("Yes, by sea.", lead="Do you ship to Norway?")])
    assert said.text == "Yes, by sea."


def test_a_long_sentence_is_trimmed_only_where_the_answer_stays() -> None:
    head = "The workshop opened in May 2019"
    tail = ", and since then " + "many more people have come to work there " * 6 + "as was hoped."
    (said,) = quote("When did the workshop open?", [_evidence(head + tail)], max_words=30)
    assert said.text == head + " …"
    (whole,) = quote("What happened in the workshop?", [_evidence(head + tail)], max_words=30)
    assert whole.text == head + tail


def _evidence(
    text: str, score: float = 8.0, passage_id: int = 1, coverage: float = 0.5, **more: object
) -> Evidence:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    found = FoundPassage(
        passage_id, "docs", f"{passage_id}.md", None, "Policy", "", text, "1", when, None, 1, 1, 0.6, 1.0, 1.0
    )
    context = str(more.pop("context", more.get("lead", "")))
    return replace(Evidence(found, passage_id, text, context, coverage, 0.6, score), **more)
