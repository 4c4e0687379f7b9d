"""Tokens and stems are those of the lexical index."""

from __future__ import annotations

import sqlite3

import pytest

from knowledge.terms import STOP_WORDS, content_stems, content_words, stems, tokens

TEXTS = (
    "Don't the café's 3 OWNERS re-open at 9:30, résumé in hand?",
    "biology biologically technology technologies possibly stably is as us his",
    "snake_case and kebab-case and E=mc² and 1,000.50 €",
    "Die Wege nach Köln, Ångström, São Tomé, İstanbul, 東京 タワー, Привет мир",
    "runs running runner easily generalizations oscillators relational conditional",
)


def fts5_terms(text: str) -> list[str]:
    database = sqlite3.connect(":memory:")
    database.execute(
        "CREATE VIRTUAL TABLE texts USING fts5(text, tokenize='porter unicode61 remove_diacritics 2')"
    )
    database.execute("CREATE VIRTUAL TABLE terms USING fts5vocab(texts, 'instance')")
    database.execute("INSERT INTO texts VALUES (?)", (text,))
    return [term for (term,) in database.execute("SELECT term FROM terms ORDER BY offset")]


@pytest.mark.parametrize("text", TEXTS)
def test_stems_are_those_of_fts5(text: str) -> None:
    assert stems(text) == fts5_terms(text)


def test_tokens_keep_their_order_and_repetitions() -> None:
    assert tokens("To be, or not to be") == ["to", "be", "or", "not", "to", "be"]


def test_stop_words_are_no_content() -> None:
    assert content_words("What is the refund policy?") == ["refund", "policy"]


def test_a_question_of_stop_words_keeps_them() -> None:
    assert content_words("Who are you?") == ["who", "are", "you"]


def test_content_stems_are_stems_of_content_words() -> None:
    assert content_stems("How are the refunds handled?") == ["refund", "handl"]


def test_stop_words_are_single_tokens() -> None:
    assert all(tokens(word) == [word] for word in STOP_WORDS)
