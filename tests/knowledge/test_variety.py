"""What a list of found passages does not do: say things twice, put the old first, hear one voice only."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from knowledge.documents import FoundPassage
from knowledge.variety import varied

READ = datetime(2026, 3, 1, tzinfo=UTC)
OLD, NEW = READ - timedelta(days=400), READ - timedelta(days=10)
RETURNS = (
    "Opened items can be sent back within thirty days if you keep the receipt. Write the order number on the "
    "box, put the slip inside and hand it in at any post office. We pay for the label when the item was "
    "faulty, and you pay for it when you changed your mind. The money is with you a week after the parcel."
)


def passage(number: int, text: str, score: float, **other: object) -> FoundPassage:
    found = FoundPassage(
        number, "wiki", f"page-{number}", None, "", "", text, "1", READ, None, 1, 1, 0.5, 1.0, score
    )
    return replace(found, **other)  # type: ignore[arg-type]


def numbers(found: tuple[FoundPassage, ...]) -> list[int]:
    return [one.passage_id for one in found]


def test_different_passages_stay_in_their_order() -> None:
    texts = ("Parcels to Norway take nine days.", "The roof terrace is open.", "Tighten the valve.")
    ranked = [passage(i, text, 3.0 - i) for i, text in enumerate(texts)]
    assert varied(ranked, 8) == tuple(ranked)


def test_the_same_page_in_two_sources_is_found_once() -> None:
    other = passage(2, RETURNS.replace("any post office", "the post office"), 1.9, source="help")
    assert numbers(varied([passage(1, RETURNS, 2.0), other], 8)) == [1]


def test_of_near_duplicates_the_newest_stays_in_the_best_ones_place() -> None:
    old = passage(1, RETURNS, 2.0, modified_at=OLD)
    between = passage(2, "Parcels to Norway take nine days.", 1.8)
    new = passage(3, RETURNS.replace("any post office", "the post office"), 1.0, modified_at=NEW)
    found = varied([old, between, new], 8)
    assert numbers(found) == [3, 2]
    assert found[0].score == 2.0


def test_texts_that_differ_in_a_number_disagree_and_both_stay() -> None:
    ranked = [
        passage(1, f"{RETURNS} It takes 14 days.", 2.0),
        passage(2, f"{RETURNS} It takes 10 days.", 1.9),
    ]
    assert numbers(varied(ranked, 8)) == [1, 2]


def test_texts_of_which_one_says_not_disagree_and_both_stay() -> None:
    ranked = [passage(1, RETURNS, 2.0), passage(2, RETURNS.replace("can be", "can not be"), 1.9)]
    assert numbers(varied(ranked, 8)) == [1, 2]


def test_of_two_that_match_alike_the_newer_is_first() -> None:
    old = passage(1, "Refunds take 14 days after we receive the parcel.", 2.0, modified_at=OLD)
    new = passage(2, "Refunds take 10 days after receiving the parcel.", 1.95, modified_at=NEW)
    assert numbers(varied([old, new], 8)) == [2, 1]


def test_files_of_one_checkout_are_of_one_age() -> None:
    later = NEW + timedelta(seconds=2)
    first = passage(1, "Refunds take 14 days after we receive the parcel.", 2.0, modified_at=NEW)
    second = passage(2, "Refunds take 10 days after receiving the parcel.", 1.95, modified_at=later)
    assert numbers(varied([first, second], 8)) == [1, 2]


def test_a_question_about_the_past_keeps_the_older_first() -> None:
    text = "Refunds take 14 days after we receive the parcel."
    old = passage(1, text, 2.0, modified_at=OLD, title="Terms 2025")
    new = passage(2, text.replace("14", "10"), 1.95, modified_at=NEW, title="Terms 2026")
    assert numbers(varied([old, new], 8, "How long did refunds take in 2025?")) == [1, 2]


def test_when_neither_has_a_date_the_one_read_later_is_the_newer() -> None:
    old = passage(1, "Refunds take 14 days after we receive the parcel.", 2.0, indexed_at=OLD)
    new = passage(2, "Refunds take 10 days after receiving the parcel.", 1.95, indexed_at=NEW)
    assert numbers(varied([old, new], 8)) == [2, 1]


def test_minutes_between_two_readings_make_none_the_newer() -> None:
    one = passage(1, "Refunds take 14 days after we receive the parcel.", 2.0)
    other = passage(
        2, "Refunds take 10 days after receiving the parcel.", 1.95, indexed_at=READ + timedelta(minutes=9)
    )
    assert numbers(varied([one, other], 8)) == [1, 2]


def test_a_newer_passage_that_matches_worse_stays_behind() -> None:
    old = passage(1, "Refunds take 14 days after we receive the parcel.", 2.0, modified_at=OLD)
    new = passage(2, "Refunds take 10 days after receiving the parcel.", 1.2, modified_at=NEW)
    assert numbers(varied([old, new], 8)) == [1, 2]


def test_a_newer_passage_about_something_else_stays_behind() -> None:
    old = passage(1, "Refunds take 14 days after we receive the parcel.", 2.0, modified_at=OLD)
    new = passage(2, "The roof terrace is open from March.", 1.95, modified_at=NEW)
    assert numbers(varied([old, new], 8)) == [1, 2]


def one_document(count: int) -> list[FoundPassage]:
    rooms = ("cellar", "kitchen", "terrace", "workshop", "garage", "lobby", "attic", "studio", "library")
    return [
        passage(i, f"The {room} opens with key {room}.", 2.0, uri="keys")
        for i, room in enumerate(rooms[:count])
    ]


def test_one_document_leaves_the_last_place_to_another_that_matches_alike() -> None:
    other = passage(99, "Keys are with the porter.", 1.95, uri="porter")
    assert numbers(varied([*one_document(9), other], 8)) == [0, 1, 2, 3, 4, 5, 6, 99]


def test_one_source_leaves_the_last_place_to_another_that_matches_alike() -> None:
    pages = [replace(found, uri=f"page-{found.passage_id}") for found in one_document(9)]
    other = passage(99, "Keys are with the porter.", 1.95, source="help")
    assert numbers(varied([*pages, other], 8)) == [0, 1, 2, 3, 4, 5, 6, 99]


def test_a_document_that_matches_worse_gets_no_place() -> None:
    other = passage(99, "Keys are with the porter.", 1.0, uri="porter")
    assert 99 not in numbers(varied([*one_document(9), other], 8))


def test_a_single_place_goes_to_the_best() -> None:
    other = passage(99, "Keys are with the porter.", 1.95, uri="porter")
    assert numbers(varied([*one_document(3), other], 1)) == [0]


def test_nothing_found_is_nothing() -> None:
    assert varied([], 8) == ()
