"""What a list of found passages should not do: say things twice, put the old first, or hear one voice only.

Wording is compared by shingles, three words in a row (Broder 1997, "On the Resemblance and Containment of
Documents"), and over the few best passages only.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TypeVar

from knowledge.documents import FoundPassage
from knowledge.supersession import asks_for_the_past
from knowledge.terms import content_stems, tokens

_Part = TypeVar("_Part")

_LEAST_COMPARED = 24
# Shares of shingles, or of stems, that two passages have in common.
_DUPLICATE = 0.8
_ALIKE = 0.4
# How long a near-duplicate is at least, as a share of the longer one.
_SAME_LENGTH = 0.7
# How near the scores of passages are that match alike, as a share of the better one's.
_NEARLY = 0.1
# Passages whose dates lie so near are of one age: a checkout or a first sync dates all of them at once.
_ONE_RUN = timedelta(days=1)
# Texts that differ in these disagree: neither repeats the other.
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NEGATION = re.compile(r"\b(?:not?|never|cannot|without)\b|n['’]t\b")


def varied(ranked: Sequence[FoundPassage], limit: int, question: str = "") -> tuple[FoundPassage, ...]:
    """Return at most `limit` of the passages, best first, of which none says the same as another.

    Of near-duplicates the newest stays, in the place of the best. Of two passages in like words and with
    nearly equal scores the newer comes first, unless `question` asks for the past. One document or one source
    leaves the last place to another that matches nearly as well. `ranked` is ordered by score, and so is what
    is returned.
    """
    kept: list[_Read] = []
    for passage in ranked[: max(_LEAST_COMPARED, 2 * limit)]:
        _place(_Read(passage), kept, question)
    found = [read.passage for read in kept]
    documents: list[Hashable] = [(passage.source, passage.uri) for passage in found]
    sources: list[Hashable] = [passage.source for passage in found]
    other = _other_voice(found, documents, limit) or _other_voice(found, sources, limit)
    return (*found[: limit - 1], other) if other else tuple(found[:limit])


class _Read:
    """A passage with what its wording is compared by."""

    def __init__(self, passage: FoundPassage) -> None:
        self.passage = passage

    @cached_property
    def shingles(self) -> frozenset[int]:
        """Their hashes, which take half the time to make and to compare."""
        words = tokens(self.passage.text)
        # A text of fewer words is one shingle.
        return frozenset(map(hash, zip(words, words[1:], words[2:], strict=False))) or frozenset(
            [hash(tuple(words))]
        )

    @cached_property
    def stems(self) -> frozenset[str]:
        return frozenset(content_stems(self.passage.text))

    @cached_property
    def numbers(self) -> list[str]:
        return sorted(_NUMBER.findall(self.passage.text))

    @cached_property
    def negations(self) -> list[str]:
        return sorted(_NEGATION.findall(self.passage.text.lower()))


def _place(read: _Read, kept: list[_Read], question: str) -> None:
    """Put a passage, which comes after those that are kept, where it belongs among them, or nowhere."""
    for place, other in enumerate(kept):
        if _is_duplicate(read, other):
            if _is_newer(read.passage, other.passage):
                kept[place] = _Read(replace(read.passage, score=other.passage.score))
            return
    for place, other in enumerate(kept):
        if asks_for_the_past(question, other.passage.title):
            continue
        if _is_newer(read.passage, other.passage) and _match_alike(read, other):
            kept.insert(place, _Read(replace(read.passage, score=other.passage.score)))
            return
    kept.append(read)


def _is_duplicate(one: _Read, other: _Read) -> bool:
    if one.numbers != other.numbers:
        return False
    short, long = sorted((len(one.passage.text), len(other.passage.text)))
    return (
        short >= _SAME_LENGTH * long
        and _shared(one.shingles, other.shingles) >= _DUPLICATE
        and one.negations == other.negations
    )


def _match_alike(one: _Read, better: _Read) -> bool:
    behind = better.passage.score - one.passage.score
    return behind <= _NEARLY * abs(better.passage.score) and _shared(one.stems, better.stems) >= _ALIKE


def _is_newer(one: FoundPassage, other: FoundPassage) -> bool:
    written, other_written = one.modified_at or one.indexed_at, other.modified_at or other.indexed_at
    return written - other_written > _ONE_RUN


def _shared(one: frozenset[_Part], other: frozenset[_Part]) -> float:
    """The Jaccard similarity of two sets."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared or 1)


def _other_voice(
    found: Sequence[FoundPassage], owners: Sequence[Hashable], limit: int
) -> FoundPassage | None:
    """The best passage of another owner behind the first `limit`, which all have one, if it matches alike."""
    if limit < 2 or len(set(owners[:limit])) > 1:
        return None
    for passage, owner in zip(found[limit:], owners[limit:], strict=True):
        if owner != owners[0]:
            last = found[limit - 1].score
            return passage if last - passage.score <= _NEARLY * abs(last) else None
    return None
