"""One score for a passage from what the two searches and its own words say about a question.

A weighted sum of scores that keep their meaning from question to question, because ranks hide how weak the
weaker search is (Bruch, Gai and Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval",
https://arxiv.org/abs/2210.11934): BM25 as a share of what the question's words are worth, and the cosine as
it is. Where a question's words are missing from the index the first shrinks by itself and the second decides.
Neighbouring words follow Metzler and Croft 2005, "A Markov Random Field Model for Term Dependencies".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from knowledge.terms import STOP_WORDS, stem, tokens

# Tuned on public sets by benchmarks/retrieval.py; a weak embedder wants less cosine.
_COSINE = 1.6
_WINDOW = 0.5
_EXACT = 0.5
_PAIRS = 0.7

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True, slots=True)
class QuestionTerms:
    """What a question asks for, in the index's terms.

    `weights` is the inverse document frequency of each of its content stems; `words` has the stem of each
    content word; `pairs` are the content stems that follow each other, stop words skipped.
    """

    weights: Mapping[str, float]
    words: Mapping[str, str]
    pairs: frozenset[tuple[str, str]]

    @property
    def worth(self) -> float:
        """The sum of all weights: about what BM25 gives a passage that holds every word once."""
        return sum(self.weights.values())


def question_terms(words: Sequence[str], frequencies: Mapping[str, int], passages: int) -> QuestionTerms:
    """Weigh a question's content words by how few of the index's `passages` hold their stems."""
    stems = stem(words)
    weights = {s: _inverse_document_frequency(frequencies.get(s, 0), passages) for s in dict.fromkeys(stems)}
    return QuestionTerms(weights, dict(zip(words, stems, strict=True)), frozenset(pairwise(stems)))


def search_score(terms: QuestionTerms, cosine: float, bm25: float) -> float:
    """Fuse what the two searches say of a passage; `bm25` is positive, or 0 where no word matches."""
    return bm25 / (terms.worth or 1.0) + _COSINE * cosine


def wording_scores(terms: QuestionTerms, texts: Sequence[str]) -> list[float]:
    """Return for each passage what its words add to its search score: 0 or more."""
    return [_WINDOW * m.window + _EXACT * m.exact + _PAIRS * m.pairs for m in _matches(terms, texts)]


@dataclass(frozen=True, slots=True)
class _Match:
    """Shares of the question, by weight: in the best two neighbouring sentences, in the very same words, and
    as pairs of neighbouring words."""

    window: float
    exact: float
    pairs: float


def _matches(terms: QuestionTerms, texts: Sequence[str]) -> Iterator[_Match]:
    divided = [[tokens(sentence) for sentence in _SENTENCE_END.split(text)] for text in texts]
    vocabulary = list({word for text in divided for sentence in text for word in sentence} - STOP_WORDS)
    stems = dict(zip(vocabulary, stem(vocabulary), strict=True))
    worth = terms.worth or 1.0
    pairs_worth = _pairs_worth(terms.pairs, terms.weights) or 1.0
    for text in divided:
        words = [word for sentence in text for word in sentence if word in stems]
        same = {terms.words[word] for word in terms.words.keys() & set(words)}
        asked = [terms.weights.keys() & {stems.get(word, "") for word in sentence} for sentence in text]
        windows = [one | other for one, other in pairwise(asked)] or asked
        neighbours = terms.pairs.intersection(pairwise(stems[word] for word in words))
        yield _Match(
            window=max((_worth(window, terms.weights) for window in windows), default=0.0) / worth,
            exact=_worth(same, terms.weights) / worth,
            pairs=_pairs_worth(neighbours, terms.weights) / pairs_worth,
        )


def _worth(stems: Iterable[str], weights: Mapping[str, float]) -> float:
    return sum(weights[s] for s in stems)


def _pairs_worth(pairs: Iterable[tuple[str, str]], weights: Mapping[str, float]) -> float:
    return sum(weights[one] + weights[other] for one, other in pairs)


def _inverse_document_frequency(frequency: int, passages: int) -> float:
    return math.log(1 + (max(passages - frequency, 0) + 0.5) / (frequency + 0.5))
