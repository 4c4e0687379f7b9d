"""Vectors of sentences that were read for an answer before: most of what a question costs is to make them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

# The sentences of some 2,000 passages, which take 25 MB in 384 dimensions.
MOST_KEPT = 16_384

Vector = NDArray[np.float32]


class KeptVectors:
    """An `embed` that embeds nothing twice as long as it is among the `most` that were wanted last.

    Thread-safe. Texts are known by their hash, so none is kept here.
    """

    def __init__(self, embed: Callable[[Sequence[str]], Vector], most: int = MOST_KEPT) -> None:
        """`embed` maps n texts to n rows, and equal texts to equal ones whatever stands beside them."""
        self._embed = embed
        self._most = most
        self._kept: OrderedDict[bytes, Vector] = OrderedDict()
        self._lock = Lock()

    def embed(self, texts: Sequence[str]) -> Vector:
        """Return one row a text, in order."""
        keys = [hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest() for text in texts]
        rows = self._recall(keys)
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in rows}
        if new:
            made = dict(zip(new, self._embed(list(new.values())), strict=True))
            self._keep(made)
            rows |= made
        return np.array([rows[key] for key in keys])

    def _recall(self, keys: Sequence[bytes]) -> dict[bytes, Vector]:
        with self._lock:
            found = {key: self._kept[key] for key in keys if key in self._kept}
            for key in found:
                self._kept.move_to_end(key)
        return found

    def _keep(self, made: dict[bytes, Vector]) -> None:
        with self._lock:
            # A copy each: a row would keep the whole array of all that were made with it.
            self._kept |= {key: row.copy() for key, row in made.items()}
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
