"""What the border between two neighbouring passages cuts in two is put together again when both are found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from knowledge.joining import joined
from knowledge.records import StoredPassage

READ = datetime(2026, 3, 1, tzinfo=UTC)


def neighbours(*texts: str, gap: int = 1) -> list[StoredPassage]:
    passages, start = [], 0
    for number, text in enumerate(texts):
        end = start + len(text)
        passages.append(
            StoredPassage(number, "wiki", "page", None, "", "", text, number, start, end, "1", READ, None)
        )
        start = end + gap
    return passages


def texts(passages: list[StoredPassage]) -> list[str]:
    changed = joined(passages)
    return [changed.get(passage.passage_id, passage).text for passage in passages]


def test_a_sentence_that_goes_on_in_the_next_passage_is_completed() -> None:
    found = neighbours("Keep the slip. The money is", "paid within 30 days. Ask us otherwise.")
    assert texts(found) == [
        "Keep the slip. The money is paid within 30 days.",
        "paid within 30 days. Ask us otherwise.",
    ]


def test_a_list_keeps_the_line_that_introduces_it() -> None:
    found = neighbours("Opening hours.\nBring with you:", "- the slip\n- the box", gap=2)
    assert texts(found)[1] == "Bring with you:\n- the slip\n- the box"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Keep the slip.", "the box too."),
        ("Keep the slip", "The box is not needed."),
        ("Bring with you:", "All else is ours."),
        ("| a | b |", "| c | d |"),
    ],
)
def test_passages_that_are_whole_stay_as_they_are(one: str, other: str) -> None:
    assert texts(neighbours(one, other)) == [one, other]


def test_a_paragraph_between_parts_sentences() -> None:
    assert texts(neighbours("The money is", "paid soon.", gap=2)) == ["The money is", "paid soon."]


def test_only_neighbours_are_joined() -> None:
    found = neighbours("The money is", "never", "paid soon.")
    assert joined([found[0], found[2]]) == {}


def test_passages_of_two_documents_are_not_joined() -> None:
    one, other = neighbours("The money is", "paid soon.")
    assert joined([one, replace(other, uri="other")]) == {}


def test_passages_of_two_versions_are_not_joined() -> None:
    one, other = neighbours("The money is", "paid soon.")
    assert joined([one, replace(other, version="2")]) == {}
