"""What puts one passage before another."""

from __future__ import annotations

from knowledge.fusion import question_terms, search_score, wording_scores

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
    assert search_score(TERMS, cosine=0.6, bm25=4.0) > search_score(TERMS, cosine=0.3, bm25=4.0)


def test_a_higher_bm25_counts() -> None:
    assert search_score(TERMS, cosine=0.3, bm25=8.0) > search_score(TERMS, cosine=0.3, bm25=4.0)


def test_bm25_counts_less_where_the_weightiest_word_is_in_no_passage() -> None:
    lacking = question_terms(
        ["blue", "heron", "nesting", "unheard"], {"blue": 50, "heron": 2, "nest": 10}, 100
    )
    assert search_score(lacking, 0.3, 4.0) < search_score(TERMS, 0.3, 4.0)


def test_a_question_without_terms_is_ordered_by_cosine() -> None:
    empty = question_terms([], {}, 100)
    assert search_score(empty, 0.5, 0.0) > search_score(empty, 0.4, 0.0)
    assert wording_scores(empty, ["Some text."]) == [0]
