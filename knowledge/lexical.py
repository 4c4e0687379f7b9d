"""Search by words: BM25 over the catalog's full text, with the postings of asked words held in memory.

FTS5's own `bm25()` takes more than a microsecond for every passage that holds any of the words: 30 ms for a
plain question over 100,000 passages. Reading a word's postings takes half of that, but only once: they are
carried through changes of the catalog, those of frequent words can be read before anybody asks, and adding
them up takes next to nothing.
"""

from __future__ import annotations

import math
import threading
from array import array
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from knowledge import arrays
from knowledge.arrays import Ids
from knowledge.reading import CatalogReader
from knowledge.terms import STOP_WORDS, stem

# The constants of FTS5 (https://www.sqlite.org/fts5.html#the_bm25_function).
_K1 = 1.2
_B = 0.75
_LEAST_WORTH = 1e-6
# Of 8 bytes each.
_MOST_POSTINGS = 9_000_000
# What a stem takes besides, in postings: one that occurs nowhere takes memory too.
_EMPTY = 32
# A pasted page is counted in the index itself: the postings of all its words would fill the memory.
_MOST_STEMS = 64
# More new passages than these take longer to index once more than the postings to read again.
_MOST_NEW = 2_000
# Reading fewer postings than these takes less than a millisecond: they can wait until they are asked for.
_FREQUENT = 1_000
_READ_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class _Postings:
    """The passages that hold a stem, as rows of a state in no order, and how often each of them does."""

    rows: NDArray[np.int32]
    frequencies: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _State:
    """The live passages of one state of the catalog, by id, and the postings read of it so far.

    `tokens` is the length of each, and `damping` what that takes from the frequency of a word. `vocabulary`
    has the hash of every stem that occurs, ascending, besides some that occurred before; None when it was not
    read.
    """

    stamp: str
    ids: Ids
    audiences: Ids
    tokens: Ids
    damping: NDArray[np.floating]
    postings: OrderedDict[str, _Postings] = field(default_factory=OrderedDict)
    vocabulary: Ids | None = None

    def may_hold(self, stems: Sequence[str]) -> list[str]:
        """Those of these stems that are in the vocabulary, all where it was not read."""
        if self.vocabulary is None or not len(self.vocabulary):
            return list(stems)
        hashes = _hashes(stems)
        places = np.minimum(np.searchsorted(self.vocabulary, hashes), len(self.vocabulary) - 1)
        known = self.vocabulary[places] == hashes
        return [one for one, is_known in zip(stems, known.tolist(), strict=True) if is_known]


class LexicalIndex:
    """Finds passages by the words that they share with a question; thread-safe.

    It follows the catalog by itself. Scores are those of FTS5's `bm25()`, but positive.
    """

    def __init__(self, catalog: CatalogReader) -> None:
        self._catalog = catalog
        self._full_text = catalog.full_text
        self._held: _State | None = None
        self._lock = threading.Lock()

    def query(self, stems: Sequence[str], limit: int, audiences: Sequence[int]) -> list[tuple[int, float]]:
        """At most `limit` live passages of these audiences as (passage id, score), best first.

        A stem that is given twice counts twice. Equal scores are ordered by passage id.
        """
        state, postings = self._postings(stems)
        added = {one: _scores(state, found) for one, found in postings.items()}
        scores = np.zeros(len(state.ids))
        for one in stems:
            scores[postings[one].rows] += added[one]
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
        return {one for one, found in postings.items() if visible[found.rows].any()}

    def occurring(self, stems: Collection[str]) -> set[str]:
        """Those of these stems that any live passage holds; of many, no postings are read."""
        with self._lock, self._catalog.snapshot() as connection:
            state = self._state(connection)
            held = {one for one in stems if one in state.postings}
            found = {one for one in held if len(state.postings[one].rows)}
            others = state.may_hold([one for one in stems if one not in held])
            return found | self._full_text.occurring(connection, others)

    def document_frequencies(self, stems: Sequence[str]) -> dict[str, int]:
        """In how many live passages each stem occurs; stems that occur nowhere are left out."""
        if len(set(stems)) > _MOST_STEMS:
            return self._catalog.document_frequencies(stems)
        _, postings = self._postings(stems)
        return {one: len(found.rows) for one, found in postings.items() if len(found.rows)}

    def passage_count(self) -> int:
        """How many passages are live."""
        state, _ = self._postings(())
        return len(state.ids)

    def prefetch(self) -> None:
        """Read which stems there are, and the postings of the most frequent that are no stop words.

        At 100,000 passages it takes seconds, of which searches wait for none; of a thousand there is nothing
        to read ahead. They fill at most half of the memory for postings.
        """
        for some in _batches(self._read_vocabulary()):
            with self._catalog.snapshot() as connection:
                stamp, read = arrays.stamp(connection), self._full_text.occurrences(connection, some)
            with self._lock:
                if self._held is not None and self._held.stamp == stamp:
                    _hold(self._held, read)

    def _read_vocabulary(self) -> list[tuple[str, int]]:
        """The frequent content stems, the most frequent first, with the number of passages of each."""
        if self.passage_count() < _FREQUENT:
            return []
        idle = frozenset(stem([*STOP_WORDS]))
        hashes = array("q")
        frequent = []
        with self._catalog.snapshot() as connection:
            stamp = arrays.stamp(connection)
            for one, count in self._full_text.vocabulary(connection):
                hashes.append(hash(one))
                if count >= _FREQUENT and one not in idle:
                    frequent.append((one, count))
        vocabulary = np.sort(np.frombuffer(hashes, dtype=np.int64))
        with self._lock:
            if self._held is not None and self._held.stamp == stamp:
                self._held = replace(self._held, vocabulary=vocabulary)
        return sorted(frequent, key=lambda known: -known[1])

    def _postings(self, stems: Collection[str]) -> tuple[_State, dict[str, _Postings]]:
        with self._lock, self._catalog.snapshot() as connection:
            state = self._state(connection)
            held = state.postings
            missing = [one for one in dict.fromkeys(stems) if one not in held]
            if missing:
                _hold(state, self._full_text.occurrences(connection, missing))
            found = {one: held[one] for one in stems}
            for one in found:
                held.move_to_end(one)
            if missing:
                _forget_oldest(held)
            return state, found

    def _state(self, connection: Connection) -> _State:
        """That of the snapshot; with the lock held, so that none goes back to an older one."""
        stamp = arrays.stamp(connection)
        if self._held is None or self._held.stamp != stamp:
            self._held = self._refreshed(connection, self._held, stamp)
        return self._held

    def _refreshed(self, connection: Connection, held: _State | None, stamp: str) -> _State:
        ids, audiences = arrays.audiences_of_passages(connection)
        if held is not None and self._catalog.has_been(held.stamp):
            rows = _rows_of(held.ids, ids)
            new = ids[rows < 0]
            if len(new) <= _MOST_NEW:
                tokens = np.empty(len(ids), dtype=np.int64)
                tokens[rows >= 0] = held.tokens[rows[rows >= 0]]
                tokens[rows < 0] = self._full_text.token_counts_of(connection, new)
                added = self._full_text.occurrences_in(connection, new) if len(new) else {}
                return _carried(held, _State(stamp, ids, audiences, tokens, _damping(tokens)), added)
        tokens = self._full_text.token_counts(connection)
        return _State(stamp, ids, audiences, tokens, _damping(tokens))


def _damping(tokens: Ids) -> NDArray[np.floating]:
    average = max(float(tokens.mean()), 1.0) if len(tokens) else 1.0
    return _K1 * (1 - _B + _B * tokens / average)


def _carried(old: _State, state: _State, added: Mapping[str, Ids]) -> _State:
    """The new state with the postings of the old one; `added` are the occurrences in new passages."""
    rows = _rows_of(state.ids, old.ids).astype(np.int32)
    all_stay = np.array_equal(rows, np.arange(len(rows)))
    for one, held in old.postings.items():
        moved = held if all_stay else _moved(held, rows)
        if one in added:
            more = _counted(state, added[one])
            moved = _Postings(
                np.concatenate((moved.rows, more.rows)),
                np.concatenate((moved.frequencies, more.frequencies)),
            )
        state.postings[one] = moved
    _forget_oldest(state.postings)
    if old.vocabulary is None:
        return state
    return replace(state, vocabulary=np.union1d(old.vocabulary, _hashes(added)))


def _moved(held: _Postings, rows: NDArray[np.int32]) -> _Postings:
    """Postings in the rows that the passages have in another state, -1 for those that it has not."""
    moved = rows[held.rows]
    stay = moved >= 0
    return _Postings(moved[stay], held.frequencies[stay])


def _rows_of(ids: Ids, wanted: Ids) -> NDArray[np.int64]:
    """In which row of the ascending ids each of the wanted stands, -1 for those that do not."""
    if not len(ids):
        return np.full(len(wanted), -1)
    rows = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[rows] == wanted, rows, -1)


def _hold(state: _State, occurrences: Mapping[str, Ids]) -> None:
    for one, ids in occurrences.items():
        state.postings[one] = _counted(state, ids)


def _counted(state: _State, occurrences: Ids) -> _Postings:
    ids, frequencies = np.unique(occurrences, return_counts=True)
    return _Postings(np.searchsorted(state.ids, ids).astype(np.int32), frequencies.astype(np.int32))


def _scores(state: _State, held: _Postings) -> NDArray[np.float64]:
    """What a stem adds to the score of each passage that it occurs in."""
    worth = math.log((len(state.ids) - len(held.rows) + 0.5) / (len(held.rows) + 0.5))
    # In FTS5's order of operations, so that equal scores are equal here too.
    scores: NDArray[np.float64] = max(worth, _LEAST_WORTH) * (
        held.frequencies * (_K1 + 1) / (held.frequencies + state.damping[held.rows])
    )
    return scores


def _hashes(stems: Iterable[str]) -> Ids:
    return np.array([hash(one) for one in stems], dtype=np.int64)


def _batches(frequent: Sequence[tuple[str, int]]) -> Iterator[list[str]]:
    """Stems that are read at once, until half of the memory is full."""
    some: list[str] = []
    waiting = total = 0
    for one, count in frequent:
        total += count + _EMPTY
        if total > _MOST_POSTINGS // 2:
            break
        some.append(one)
        waiting += count
        if waiting >= _READ_AT_ONCE:
            yield some
            some, waiting = [], 0
    if some:
        yield some


def _forget_oldest(held: OrderedDict[str, _Postings]) -> None:
    size = sum(len(postings.rows) + _EMPTY for postings in held.values())
    while size > _MOST_POSTINGS:
        _, forgotten = held.popitem(last=False)
        size -= len(forgotten.rows) + _EMPTY
