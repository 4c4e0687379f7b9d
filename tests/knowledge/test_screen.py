"""A screen never puts a vector below its dot product, and not far above it."""

from __future__ import annotations

import numpy as np
import pytest

from knowledge.arrays import Vectors
from knowledge.screen import Screen


def directions(count: int, dimensions: int) -> Vectors:
    """Unit vectors around a common mean, a few of whose elements are large, as those of text are."""
    chance = np.random.default_rng(count * dimensions)
    vectors = chance.normal(size=(count, dimensions)) + 0.3
    vectors[:, ::50] *= 3
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def excess(vectors: Vectors, question: Vectors) -> np.ndarray:
    """How far the bounds are above the products."""
    return Screen(vectors)(question) - vectors.astype(np.float64) @ question.astype(np.float64)


@pytest.mark.parametrize("dimensions", [1, 2, 7, 33, 384, 1024])
@pytest.mark.parametrize("count", [1, 5, 5000])
def test_no_product_is_above_its_bound(count: int, dimensions: int) -> None:
    vectors = directions(count, dimensions)
    questions = [*directions(20, dimensions), vectors[0], -vectors[0]]
    assert min(excess(vectors, question).min() for question in questions) >= 0


@pytest.mark.parametrize("length", [1e-6, 0.01, 3.0, 1e6])
def test_vectors_need_not_be_of_length_one(length: float) -> None:
    vectors = directions(500, 64) * np.float32(length)
    assert excess(vectors, directions(2, 64)[1]).min() >= 0
    assert excess(directions(500, 64), vectors[7]).min() >= 0


@pytest.mark.parametrize("extreme", [np.zeros(64), np.eye(64)[3], -np.eye(64)[3], np.full(64, 0.125)])
def test_extreme_vectors_are_bounded(extreme: np.ndarray) -> None:
    vectors = np.vstack([directions(50, 64), extreme, -extreme]).astype(np.float32)
    assert excess(vectors, directions(1, 64)[0]).min() >= 0
    assert excess(vectors, extreme.astype(np.float32)).min() >= 0


def test_the_bounds_are_close() -> None:
    vectors = directions(5000, 384)
    assert max(excess(vectors, question).max() for question in directions(20, 384)) < 0.08


def test_a_screen_keeps_nothing_of_what_it_was_made_from() -> None:
    vectors = directions(5000, 384)
    screen = Screen(vectors)
    before = screen(vectors[0])
    vectors[:] = 0
    assert np.array_equal(screen(directions(5000, 384)[0]), before)
