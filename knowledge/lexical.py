"""Search by words: BM25 over the catalog's FTS5 index, with the postings of asked words held in memory.

FTS5's own `bm25()` takes more than a microsecond for every passage that holds any of the words: 30 ms for a
plain question over 100,000 passages. Reading a word's postings takes a tenth of that, once for each state of
the catalog, and adding them up next to nothing.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from knowledge import arrays
from knowledge.arrays import Ids
from knowledge.reading import CatalogReader

# The constants of FTS5 (https://www.sqlite.org/fts5.html#the_bm25_function).
_K1 = 1.2
_B = 0.75
_LEAST_WORTH = 1e-6
# Of 12 bytes each.
_MOST_POSTINGS = 6_000_000
# A pasted page is counted in the index itself: the postings of all its words would fill the memory.
_MOST_STEMS = 64


@dataclass(frozen=True, slots=True)
class _Postings:
    """The passages that hold a stem, as rows of a state, and what it adds to the score of each."""

    rows: NDArray[np.int32]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _State:
    """The live passages of one state of the catalog, by id, and the postings read of it so far.

    `damping` is what its length takes from the frequency of a word in each passage.
    """

    stamp: str
    ids: Ids
    audiences: Ids
    damping: NDArray[np.floating]
    postings: OrderedDict[str, _Postings] = field(default_factory=OrderedDict)


class LexicalIndex:
    """Finds passages by the words that they share with a question; thread-safe.

    It follows the catalog by itself. Scores are those of FTS5's `bm25()`, but positive.
    """

    def __init__(self, catalog: CatalogReader) -> None:
        self._catalog = catalog
        self._held: _State | None = None
        self._lock = threading.Lock()

    def query(self, stems: Sequence[str], limit: int, audiences: Sequence[int]) -> list[tuple[int, float]]:
        """At most `limit` live passages of these audiences as (passage id, score), best first.

        A stem that is given twice counts twice. Equal scores are ordered by passage id.
        """
        state, postings = self._postings(stems)
        scores = np.zeros(len(state.ids))
        for stem in stems:
            scores[postings[stem].rows] += postings[stem].scores
        matching = np.flatnonzero(scores)
        matching = matching[arrays.among(state.audiences[matching], audiences)]
        if limit <= 0:
            return []
        if len(matching) > limit:
            # All that equal the last score stay in, so that the tie is broken by id.
            matching = matching[scores[matching] >= np.partition(scores[matching], -limit)[-limit]]
        order = matching[np.argsort(-scores[matching], kind="stable")][:limit]
        return list(zip(state.ids[order].tolist(), scores[order].tolist(), strict=True))

    def readable(self, stems: Collection[str], audiences: Sequence[int]) -> set[str]:
        """Those of these stems that a live passage of these audiences holds."""
        state, postings = self._postings(stems)
        visible = arrays.among(state.audiences, audiences)
        return {stem for stem, found in postings.items() if visible[found.rows].any()}

    def document_frequencies(self, stems: Sequence[str]) -> dict[str, int]:
        """In how many live passages each stem occurs; stems that occur nowhere are left out."""
        if len(set(stems)) > _MOST_STEMS:
            return self._catalog.document_frequencies(stems)
        _, postings = self._postings(stems)
        return {stem: len(found.rows) for stem, found in postings.items() if len(found.rows)}

    def passage_count(self) -> int:
        """How many passages are live."""
        state, _ = self._postings(())
        return len(state.ids)

    def _postings(self, stems: Collection[str]) -> tuple[_State, dict[str, _Postings]]:
        with self._lock, self._catalog.snapshot() as connection:
            stamp = arrays.stamp(connection)
            if self._held is None or self._held.stamp != stamp:
                self._held = _state(connection, stamp)
            state, held = self._held, self._held.postings
            missing = [stem for stem in dict.fromkeys(stems) if stem not in held]
            if missing:
                for stem, occurrences in arrays.occurrences(connection, missing).items():
                    held[stem] = _scored(state, occurrences)
            found = {stem: held[stem] for stem in stems}
            for stem in found:
                held.move_to_end(stem)
            if missing:
                _forget_oldest(held)
            return state, found


def _state(connection: Connection, stamp: str) -> _State:
    ids, audiences = arrays.audiences_of_passages(connection)
    tokens = arrays.token_counts(connection)
    average = max(float(tokens.mean()), 1.0) if len(tokens) else 1.0
    return _State(stamp, ids, audiences, _K1 * (1 - _B + _B * tokens / average))


def _scored(state: _State, occurrences: Ids) -> _Postings:
    """What a stem adds to the scores of the passages that it occurs in, each as often as it does."""
    ids, frequency = np.unique(occurrences, return_counts=True)
    rows = np.searchsorted(state.ids, ids)
    worth = math.log((len(state.ids) - len(rows) + 0.5) / (len(rows) + 0.5))
    # In FTS5's order of operations, so that equal scores are equal here too.
    scores = max(worth, _LEAST_WORTH) * (frequency * (_K1 + 1) / (frequency + state.damping[rows]))
    return _Postings(rows.astype(np.int32), scores)


def _forget_oldest(held: OrderedDict[str, _Postings]) -> None:
    size = sum(len(postings.rows) for postings in held.values())
    while size > _MOST_POSTINGS:
        _, forgotten = held.popitem(last=False)
        size -= len(forgotten.rows)
