"""What puts one passage before another."""

from __future__ import annotations

import pytest

from knowledge.alternatives import Alternative
from knowledge.fusion import cosine_weight, question_terms, search_score, wording_scores

TERMS = question_terms(["blue", "heron", "nesting"], {"blue": 50, "heron": 2, "nest": 10}, 100)


def wording(text: str) -> float:
    return wording_scores(TERMS, [text])[0]


def test_a_rare_word_weighs_more_than_a_common_one() -> None:
    assert TERMS.weights["heron"] > TERMS.weights["nest"] > TERMS.weights["blue"] > 0


def test_a_word_that_is_nowhere_weighs_most() -> None:
    weights = question_terms(["unheard", "heron"], {"heron": 2}, 100).weights
    assert weights["unheard"] > weights["heron"]


def test_words_in_neighbouring_sentences_beat_the_same_words_far_apart() -> None:
    together = "Herons are large. The heron nests in reeds. Its wings are blue. They fish. They rest."
    apart = "Herons are large. They fish. Reeds are for nests. They rest. They fly. Its wings are blue."
    assert wording(together) > wording(apart)


def test_neighbouring_words_beat_the_same_words_scattered() -> None:
    assert wording("A blue heron was seen at the nest.") > wording("A heron was seen at the blue nest.")


def test_stop_words_between_neighbours_do_not_part_them() -> None:
    assert wording("It is blue and a heron.") == wording("It is blue heron.")


def test_the_very_word_beats_another_form_of_it() -> None:
    assert wording("It was nesting.") > wording("It nests.") > 0


def test_words_that_nobody_asked_for_add_nothing() -> None:
    assert wording("Prices are on page nine.") == 0


def test_an_empty_passage_adds_nothing() -> None:
    assert wording("") == 0


def test_a_higher_cosine_counts() -> None:
    assert search_score(TERMS, 1.0, cosine=0.6, bm25=4.0) > search_score(TERMS, 1.0, cosine=0.3, bm25=4.0)


def test_a_higher_bm25_counts() -> None:
    assert search_score(TERMS, 1.0, cosine=0.3, bm25=8.0) > search_score(TERMS, 1.0, cosine=0.3, bm25=4.0)


def test_bm25_counts_less_where_the_weightiest_word_is_in_no_passage() -> None:
    lacking = question_terms(
        ["blue", "heron", "nesting", "unheard"], {"blue": 50, "heron": 2, "nest": 10}, 100
    )
    assert search_score(lacking, 1.0, 0.3, 4.0) < search_score(TERMS, 1.0, 0.3, 4.0)


def test_a_question_without_terms_is_ordered_by_cosine() -> None:
    empty = question_terms([], {}, 100)
    weight = cosine_weight(empty, 0.0)
    assert search_score(empty, weight, 0.5, 0.0) > search_score(empty, weight, 0.4, 0.0)
    assert wording_scores(empty, ["Some text."]) == [0]


def test_the_cosine_weighs_less_the_more_of_the_question_the_best_match_brings() -> None:
    assert (
        cosine_weight(TERMS, 0.0) > cosine_weight(TERMS, TERMS.worth / 2) > cosine_weight(TERMS, TERMS.worth)
    )


def test_the_cosine_never_stops_to_count() -> None:
    assert cosine_weight(TERMS, 10 * TERMS.worth) > 0


def test_the_cosine_weighs_less_for_a_question_of_more_words() -> None:
    longer = question_terms(["blue", "heron", "nesting", "reeds"], {"blue": 50, "heron": 2, "nest": 10}, 100)
    assert cosine_weight(longer, 0.0) < cosine_weight(TERMS, 0.0)


def test_a_word_that_is_nowhere_weighs_as_its_alternative_does_and_a_little_less() -> None:
    frequencies = {"blue": 50, "heron": 2}
    mended = question_terms(["blue", "herron"], frequencies, 100, [Alternative(("herron",), ("heron",))])
    right = question_terms(["blue", "heron"], frequencies, 100)
    assert right.weights["blue"] < mended.weights["herron"] < right.weights["heron"]


def test_an_alternative_counts_as_the_word_itself() -> None:
    frequencies = {"blue": 50, "heron": 2}
    mended = question_terms(["blue", "herron"], frequencies, 100, [Alternative(("herron",), ("heron",))])
    right = question_terms(["blue", "heron"], frequencies, 100)
    text = "A blue heron was seen."
    assert wording_scores(mended, [text]) == pytest.approx(wording_scores(right, [text]))


def test_several_words_stand_for_one_only_in_their_order() -> None:
    meaning = Alternative(("pto",), ("paid", "time", "off"))
    terms = question_terms(["pto"], {"paid": 5, "time": 30}, 100, [meaning])
    together, apart = wording_scores(terms, ["You get paid time off.", "Off you go: it is time you paid."])
    assert together > apart == 0
