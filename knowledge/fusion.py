"""One score for a passage from what the two searches and its own words say about a question.

A weighted sum of scores that keep their meaning from question to question, because ranks hide how weak the
weaker search is (Bruch, Gai and Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval",
https://arxiv.org/abs/2210.11934): BM25 as a share of what the question's words are worth, and the cosine as
it is, which weighs the more the less the best lexical match brings. Where a question's words are missing from
the index the first shrinks by itself and the second decides. Neighbouring words follow Metzler and Croft
2005, "A Markov Random Field Model for Term Dependencies".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain, filterfalse, pairwise

from knowledge.alternatives import Alternative
from knowledge.terms import STOP_WORDS, stem, tokens

# Tuned on public sets by benchmarks/retrieval.py, so that no set does without the better of the two searches:
# the weight of the cosine for a question of one word of which no passage holds any, as a multiple of how far
# the share of the question that the best lexical match brings stays behind `_CERTAIN`.
_COSINE = 5.1
_CERTAIN = 1.5
_MOST_SHARE = 1.2
# What a word weighs of which only an alternative is in the index.
_ALTERNATIVE = 0.8
_WINDOW = 0.5
_EXACT = 0.5
_PAIRS = 0.7

# A mark with the blanks behind it, or ends of lines; what it begins with makes the scan quick.
_SENTENCE_END = re.compile(r"[.!?\n](?:(?<=\n)\n*|\s+)")


@dataclass(frozen=True, slots=True)
class QuestionTerms:
    """What a question asks for, in the index's terms.

    `weights` is the inverse document frequency of each of its content stems; `words` has the stem of each
    content word and of each word that may stand for one; `pairs` are the content stems that follow each
    other, stop words skipped. `same` maps the stem of a word that may stand for one to that one's, and
    `phrases` the stems of several words in order to those of what they stand for. `worth` is the sum of all
    weights: about what BM25 gives a passage that holds every word once.
    """

    weights: Mapping[str, float]
    words: Mapping[str, str]
    pairs: frozenset[tuple[str, str]]
    same: Mapping[str, str]
    phrases: Mapping[tuple[str, ...], frozenset[str]]
    worth: float

    @property
    def searched(self) -> list[str]:
        """The stems to look for: the question's own, and those that may stand for them."""
        others = chain(self.same, chain.from_iterable(self.phrases))
        return list(dict.fromkeys((*self.weights, *(s for s in others if s not in STOP_WORDS))))


def question_terms(
    words: Sequence[str],
    frequencies: Mapping[str, int],
    passages: int,
    alternatives: Sequence[Alternative] = (),
) -> QuestionTerms:
    """Weigh a question's content words by how few of the index's `passages` hold their stems.

    `frequencies` has the stems of alternatives too. A word that is in no passage weighs what its rarest
    alternative does, a little less; without any, it is as rare as can be.
    """
    stems = stem(words)
    weights = {s: _inverse_document_frequency(frequencies.get(s, 0), passages) for s in dict.fromkeys(stems)}
    stem_of = dict(zip(words, stems, strict=True))
    same: dict[str, str] = {}
    phrases: dict[tuple[str, ...], frozenset[str]] = {}
    for alternative in alternatives:
        asked = [s for s in stem(alternative.asked) if s in weights]
        written = tuple(stem(alternative.written))
        if len(alternative.asked) == len(written) == len(asked) == 1 and written[0] not in weights:
            same[written[0]] = asked[0]
            stem_of.setdefault(alternative.written[0], asked[0])
        else:
            phrases[written] = phrases.get(written, frozenset()).union(asked)
        if len(asked) == 1 and not frequencies.get(asked[0]):
            rarest = min(
                (
                    frequencies[s]
                    for s in stem([w for w in alternative.written if w not in STOP_WORDS])
                    if frequencies.get(s)
                ),
                default=0,
            )
            weights[asked[0]] = _ALTERNATIVE * _inverse_document_frequency(rarest, passages)
    worth = sum(weights.values())
    return QuestionTerms(weights, stem_of, frozenset(pairwise(stems)), same, phrases, worth)


def cosine_weight(terms: QuestionTerms, best_bm25: float) -> float:
    """How much the cosine weighs for a question of which the best lexical match scores `best_bm25`.

    The share of a question that a passage's words bring tells less of passages apart the fewer words it has:
    chance matches average out with the root of their number.
    """
    share = min(best_bm25 / (terms.worth or 1.0), _MOST_SHARE)
    return _COSINE * (_CERTAIN - share) / math.sqrt(max(len(terms.weights), 1))


def search_score(terms: QuestionTerms, weight: float, cosine: float, bm25: float) -> float:
    """Fuse what the two searches say of a passage; `bm25` is positive, or 0 where no word matches.

    `weight` is the question's `cosine_weight`.
    """
    return bm25 / (terms.worth or 1.0) + weight * cosine


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
    held = [set[str]().union(*text) for text in divided]
    vocabulary = list(set[str]().union(*held) - STOP_WORDS)
    stems = zip(vocabulary, (terms.same.get(s, s) for s in stem(vocabulary)), strict=True)
    bearing = {word: s for word, s in stems if s in terms.weights}
    exact = terms.words.keys() - STOP_WORDS
    worth = terms.worth or 1.0
    pairs_worth = _pairs_worth(terms.pairs, terms.weights) or 1.0
    for text, words in zip(divided, held, strict=True):
        same = {terms.words[word] for word in exact & words}
        found = {bearing[word] for word in bearing.keys() & words}
        asked = [{bearing[word] for word in sentence if word in bearing} for sentence in text]
        if terms.phrases:
            asked = [one | _in_other_words(terms, s) for one, s in zip(asked, text, strict=True)]
        windows = [one | other for one, other in pairwise(asked)] or asked
        possible = {pair for pair in terms.pairs if found.issuperset(pair)}
        neighbours = _neighbours(possible, bearing, text) if possible else ()
        yield _Match(
            window=max((_worth(window, terms.weights) for window in windows), default=0.0) / worth,
            exact=_worth(same, terms.weights) / worth,
            pairs=_pairs_worth(neighbours, terms.weights) / pairs_worth,
        )


def _neighbours(
    pairs: Set[tuple[str, str]], bearing: Mapping[str, str], text: Iterable[Iterable[str]]
) -> Set[tuple[str, str]]:
    """Those of these pairs that follow each other in the text, stop words skipped."""
    stems = map(bearing.get, filterfalse(STOP_WORDS.__contains__, chain.from_iterable(text)))
    return pairs & {(one, other) for one, other in pairwise(stems) if one and other}


def _in_other_words(terms: QuestionTerms, sentence: Sequence[str]) -> set[str]:
    """The question's stems for which the sentence has a phrase."""
    stems = stem(sentence)
    held = set(stems)
    return {
        asked
        for phrase, stands_for in terms.phrases.items()
        if held.issuperset(phrase)
        and any(tuple(stems[place : place + len(phrase)]) == phrase for place in range(len(stems)))
        for asked in stands_for
    }


def _worth(stems: Iterable[str], weights: Mapping[str, float]) -> float:
    return sum(map(weights.__getitem__, stems))


def _pairs_worth(pairs: Iterable[tuple[str, str]], weights: Mapping[str, float]) -> float:
    return sum(weights[one] + weights[other] for one, other in pairs)


def _inverse_document_frequency(frequency: int, passages: int) -> float:
    return math.log(1 + (max(passages - frequency, 0) + 0.5) / (frequency + 0.5))
