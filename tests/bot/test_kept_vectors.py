"""What was embedded for an answer is not embedded again for the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bot.kept_vectors import KeptVectors


class Counting:
    """Maps a text to its length, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return np.array([[len(text), 1] for text in texts], np.float32)


def test_only_new_texts_are_embedded_and_rows_keep_their_order() -> None:
    counting = Counting()
    kept = KeptVectors(counting.embed)
    kept.embed(["a", "bb"])
    rows = kept.embed(["ccc", "bb", "dddd", "a", "ccc"])
    assert rows[:, 0].tolist() == [3, 2, 4, 1, 3]
    assert counting.asked == ["a", "bb", "ccc", "dddd"]


def test_what_was_wanted_longest_ago_is_forgotten_first() -> None:
    counting = Counting()
    kept = KeptVectors(counting.embed, most=2)
    for text in ("a", "bb", "a", "ccc", "a", "bb"):
        kept.embed([text])
    assert counting.asked == ["a", "bb", "ccc", "bb"]


def test_more_than_are_kept_are_embedded_all_the_same() -> None:
    kept = KeptVectors(Counting().embed, most=1)
    assert kept.embed(["a", "bb", "ccc"])[:, 0].tolist() == [1, 2, 3]


def test_half_an_emoji_is_a_text_too() -> None:
    assert KeptVectors(Counting().embed).embed(["\ud83d"]).shape == (1, 2)
