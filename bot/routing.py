"""Tells small talk from questions to the documents, without a language model.

A nearest-neighbour vote over labelled examples (Cover and Hart, 1967) in the embedder's own space: it works
with any embedder, needs no training run, and can be extended by adding a line to `routing_examples.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from knowledge.terms import content_stems

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
Frequencies = Callable[[Sequence[str]], dict[str, int]]

NEIGHBOURS = 3
MARGIN = 0.06
# Above this even a sentence made of the documents' own words is small talk.
SURE_MARGIN = 0.2


class Router:
    """Routes by comparing an utterance with the examples.

    `embed` maps n texts to (n, d) unit vectors; `frequencies` tells how many passages hold each stem.
    """

    def __init__(self, embed: Embed, frequencies: Frequencies) -> None:
        self._embed = embed
        self._frequencies = frequencies

    def is_smalltalk(self, text: str) -> bool:
        """Whether `text` wants company rather than knowledge; in doubt, the documents' own words decide."""
        margin = self.smalltalk_margin(text)
        return margin > SURE_MARGIN or (margin > MARGIN and not self._is_about_the_documents(text))

    def smalltalk_margin(self, text: str) -> float:
        """Mean cosine to the nearest small talk examples, less that to the nearest questions."""
        vector = self._embed([text])[0]
        return self._nearness(self._smalltalk, vector) - self._nearness(self._knowledge, vector)

    def _is_about_the_documents(self, text: str) -> bool:
        stems = list(dict.fromkeys(content_stems(text)))
        return len(stems) >= 2 and all(self._frequencies(stems).get(stem, 0) for stem in stems)

    @staticmethod
    def _nearness(examples: NDArray[np.float32], vector: NDArray[np.float32]) -> float:
        return float(np.sort(examples @ vector)[-NEIGHBOURS:].mean())

    @cached_property
    def _examples(self) -> dict[str, list[str]]:
        return tomllib.loads(files("bot").joinpath("routing_examples.toml").read_text(encoding="utf-8"))

    @cached_property
    def _smalltalk(self) -> NDArray[np.float32]:
        return self._embed(self._examples["smalltalk"])

    @cached_property
    def _knowledge(self) -> NDArray[np.float32]:
        return self._embed(self._examples["knowledge"])
