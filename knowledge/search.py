"""Questions to passages: dense and lexical search for a reader, fused into one order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from knowledge.documents import FoundPassage, Reader
from knowledge.embedding import Embedding
from knowledge.fusion import QuestionTerms, question_terms, search_score, wording_scores
from knowledge.reading import CatalogReader
from knowledge.records import StoredPassage
from knowledge.supersession import asks_for_the_past, is_superseded
from knowledge.terms import content_words, stem
from knowledge.vectors import VectorIndex

# How many of each search's best are fused, how deep BM25 scores are known for the dense ones, and how many
# passages are read word by word.
_CANDIDATES = 50
_LEXICAL_DEPTH = 200
_READ = 24
# Title, heading, text.
_COLUMN_WEIGHTS = (1.0, 1.0, 1.0)
# FTS5 refuses expressions of more than 256 parts, and a pasted page is not a better question.
_MOST_WORDS = 64
# What a passage loses that says of itself that it no longer holds: half of what the question's words bring.
_SUPERSEDED = 0.7


class Search:
    """Finds the live passages that bear on a question and that its readers may see; thread-safe."""

    def __init__(self, catalog: CatalogReader, vectors: VectorIndex, embedder: Embedding) -> None:
        self._catalog = catalog
        self._vectors = vectors
        self._embedder = embedder

    def find(self, question: str, reader: Reader, limit: int = 10) -> tuple[FoundPassage, ...]:
        """Return at most `limit` passages, best first; of passages with the same words only the best."""
        audiences = self._catalog.readable_audiences(reader)
        if not audiences or not question.strip():
            return ()
        vector = self._embedder.embed([question])[0]
        dense = dict(self._vectors.query(vector, _CANDIDATES, audiences))
        words, terms = self._terms(question)
        lexical = self._lexical(words, audiences)
        # Asked for again: a source may have been closed to this reader since the searches looked.
        passages = self._catalog.passages([*dense, *list(lexical)[:_CANDIDATES]], audiences)
        cosines = dense | self._cosines(vector, passages.keys() - dense.keys())
        scores = {i: search_score(terms, cosines.get(i, 0.0), lexical.get(i, 0.0)) for i in passages}
        best = nlargest(max(_READ, 2 * limit), scores, key=scores.__getitem__)
        for i, wording in zip(best, wording_scores(terms, [passages[i].text for i in best]), strict=True):
            scores[i] += wording
        for i, passage in passages.items():
            if is_superseded(passage.title, passage.heading) and not asks_for_the_past(
                question, passage.title
            ):
                scores[i] -= _SUPERSEDED
        dense_ranks, lexical_ranks = _ranks(dense), _ranks(lexical)
        found = (
            _found(
                passages[i],
                dense_rank=dense_ranks.get(i),
                lexical_rank=lexical_ranks.get(i),
                dense_score=cosines.get(i, 0.0),
                lexical_score=lexical.get(i, 0.0),
                score=score,
            )
            for i, score in sorted(scores.items(), key=lambda scored: (-scored[1], scored[0]))
        )
        return tuple(islice(_distinct(found), limit))

    def term_weights(self, question: str) -> dict[str, float]:
        """Return the inverse document frequency in this index of each content stem of the question.

        Of a question of more than 64 content words, the rarest words that the index holds.
        """
        return dict(self._terms(question)[1].weights)

    def _terms(self, question: str) -> tuple[list[str], QuestionTerms]:
        words = content_words(question)
        frequencies = self._catalog.document_frequencies(stem(words))
        words = _rarest(words, frequencies)
        return words, question_terms(words, frequencies, self._catalog.passage_count())

    def _lexical(self, words: Sequence[str], audiences: Sequence[int]) -> dict[int, float]:
        if not words:
            return {}
        # Inside double quotes nothing is an operator, and words hold no quotes: hostile input is inert.
        match = " OR ".join(f'"{word}"' for word in dict.fromkeys(words))
        return dict(self._catalog.lexical(match, _LEXICAL_DEPTH, audiences, _COLUMN_WEIGHTS))

    def _cosines(self, vector: NDArray[np.float32], ids: Iterable[int]) -> dict[int, float]:
        found, vectors = self._catalog.vectors_of(self._embedder.identity, sorted(ids))
        if not len(found):
            return {}
        return dict(zip(found.tolist(), (vectors @ vector).tolist(), strict=True))


def _rarest(words: list[str], frequencies: Mapping[str, int]) -> list[str]:
    """Cut a long list down to the rarest words that the index holds, in their order."""
    frequency_of = {word: frequencies.get(s, 0) for word, s in zip(words, stem(words), strict=True)}
    if len(frequency_of) <= _MOST_WORDS:
        return words
    held = sorted((word for word in frequency_of if frequency_of[word]), key=frequency_of.__getitem__)
    kept = set(held[:_MOST_WORDS])
    return [word for word in words if word in kept]


def _ranks(scores: Mapping[int, float]) -> dict[int, int]:
    return {passage_id: rank for rank, passage_id in enumerate(scores, start=1)}


def _distinct(found: Iterable[FoundPassage]) -> Iterable[FoundPassage]:
    seen: set[str] = set()
    for passage in found:
        words = " ".join(passage.text.casefold().split())
        if words not in seen:
            seen.add(words)
            yield passage


def _found(
    passage: StoredPassage,
    *,
    dense_rank: int | None,
    lexical_rank: int | None,
    dense_score: float,
    lexical_score: float,
    score: float,
) -> FoundPassage:
    return FoundPassage(
        passage_id=passage.passage_id,
        source=passage.source,
        uri=passage.uri,
        url=passage.url,
        title=passage.title,
        heading=passage.heading,
        text=passage.text,
        version=passage.version,
        indexed_at=passage.indexed_at,
        modified_at=passage.modified_at,
        dense_rank=dense_rank,
        lexical_rank=lexical_rank,
        dense_score=dense_score,
        lexical_score=lexical_score,
        score=score,
    )
