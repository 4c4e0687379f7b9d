"""What puts one passage before another."""

from __future__ import annotations

from knowledge.fusion import QuestionTerms, fused_scores, question_terms

TERMS = question_terms(["blue", "heron", "nesting"], {"blue": 50, "heron": 2, "nest": 10}, 100)


def score(text: str, cosine: float = 0.3, bm25: float = 4.0, terms: QuestionTerms = TERMS) -> float:
    return fused_scores(terms, [text], [cosine], [bm25])[0]


def test_a_rare_word_weighs_more_than_a_common_one() -> None:
    assert TERMS.weights["heron"] > TERMS.weights["nest"] > TERMS.weights["blue"] > 0


def test_a_word_that_is_nowhere_weighs_most() -> None:
    weights = question_terms(["unheard", "heron"], {"heron": 2}, 100).weights
    assert weights["unheard"] > weights["heron"]


def test_words_in_one_sentence_beat_the_same_words_far_apart() -> None:
    together = "Herons are large. The heron nests in reeds. Its wings are blue. They fish. They rest."
    apart = "Herons are large. They fish. Reeds are for nests. They rest. They fly. Its wings are blue."
    assert score(together) > score(apart)


def test_neighbouring_words_beat_the_same_words_scattered() -> None:
    assert score("A blue heron was seen at the nest.") > score("A heron was seen at the blue nest.")


def test_stop_words_between_neighbours_do_not_part_them() -> None:
    assert score("It is blue and a heron.") == score("It is blue heron.")


def test_a_higher_cosine_counts() -> None:
    assert score("Some text.", cosine=0.6) > score("Some text.", cosine=0.3)


def test_a_higher_bm25_counts() -> None:
    assert score("Some text.", bm25=8.0) > score("Some text.", bm25=4.0)


def test_the_cosine_decides_where_no_word_matches() -> None:
    near, far = fused_scores(TERMS, ["Ardea cinerea breeds here.", "Our prices."], [0.6, 0.1], [0.0, 0.0])
    assert near > far


def test_a_question_without_terms_is_ordered_by_cosine() -> None:
    empty = question_terms([], {}, 100)
    assert score("Some text.", 0.5, 0.0, empty) > score("Some text.", 0.4, 0.0, empty)


def test_an_empty_passage_has_a_score() -> None:
    assert score("", 0.0, 0.0) == 0.0
