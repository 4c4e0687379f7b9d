"""Questions to passages: dense and lexical search for a reader, fused into one order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from heapq import nlargest
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from knowledge.acronyms import acronyms_in, explained
from knowledge.alternatives import Alternative, Alternatives, corrected
from knowledge.documents import FoundPassage, Reader
from knowledge.embedding import Embedding
from knowledge.fusion import QuestionTerms, cosine_weight, question_terms, search_score, wording_scores
from knowledge.joining import joined
from knowledge.lexical import LexicalIndex
from knowledge.reading import CatalogReader
from knowledge.records import StoredPassage
from knowledge.reranking import Reranker
from knowledge.supersession import asks_for_the_past, is_superseded
from knowledge.terms import STOP_WORDS, content_words, stem
from knowledge.variety import varied
from knowledge.vectors import VectorIndex

# How many of each search's best are fused, how deep BM25 scores are known for the dense ones, how many
# passages are read word by word, and how many by the reranker.
_CANDIDATES = 50
_LEXICAL_DEPTH = 200
_READ = 24
_RERANKED = 20
# How many questions may be embedded at once.
_AT_ONCE = 4
# How many passages that hold an acronym are looked through for what it means.
_EXPLAINING = 20
# A pasted page is not a better question.
_MOST_WORDS = 64
# What a passage loses that says of itself that it no longer holds: half of what the question's words bring.
_SUPERSEDED = 0.7


class Search:
    """Finds the live passages that bear on a question and that its readers may see; thread-safe.

    With a `reranker` the best passages come in its order.
    """

    def __init__(
        self,
        catalog: CatalogReader,
        vectors: VectorIndex,
        embedder: Embedding,
        reranker: Reranker | None = None,
    ) -> None:
        self._catalog = catalog
        self._vectors = vectors
        self._lexical = LexicalIndex(catalog)
        self._alternatives = Alternatives(catalog, self._lexical, embedder.tokenizer_file)
        self._embedder = embedder
        self._reranker = reranker
        self._threads = ThreadPoolExecutor(_AT_ONCE, "search")

    def prefetch(self) -> None:
        """Read what questions will need: common words, and see `LexicalIndex.prefetch`."""
        self._alternatives.prefetch()
        self._lexical.prefetch()

    def find(self, question: str, reader: Reader, limit: int = 10) -> tuple[FoundPassage, ...]:
        """Return at most `limit` passages, best first; of near-duplicates only the newest.

        Words that no passage of the reader's holds are taken for what they were meant to be, and acronyms for
        what the passages say that they mean.
        """
        audiences = self._catalog.readable_audiences(reader)
        if not audiences or not question.strip():
            return ()
        # Meanwhile: most questions need no correction.
        meant = self._threads.submit(self._nearest, question, audiences)
        corrections = self._alternatives.corrections(question, audiences)
        others = self._alternatives.equivalents(question, audiences)
        text = corrected(question, corrections)
        nearest = meant.result() if text == question else self._nearest(text, audiences)
        gathered = self._gather(question, nearest, (*corrections, *others), audiences)
        meanings = explained(
            text, chain(gathered.texts, self._explaining(text, audiences)), self._alternatives.common
        )
        if meanings:
            written_out = " ".join((text, *(f"({' '.join(meaning.written)})" for meaning in meanings)))
            nearest = self._nearest(written_out, audiences)
            gathered = self._gather(question, nearest, (*corrections, *others, *meanings), audiences)
        return varied(self._ranked(question, text, gathered, limit), limit, question)

    def corrected(self, question: str, reader: Reader) -> str:
        """Return the question with the misspelt words mended that no passage of the reader's holds."""
        audiences = self._catalog.readable_audiences(reader)
        return corrected(question, self._alternatives.corrections(question, audiences))

    def term_weights(self, question: str) -> dict[str, float]:
        """Return the inverse document frequency in this index of each content stem of the question.

        Of a question of more than 64 content words, the rarest words that the index holds.
        """
        return dict(self._terms(question, ()).weights)

    def _nearest(self, text: str, audiences: Sequence[int]) -> _Nearest:
        vector = self._embedder.embed([text])[0]
        return _Nearest(vector, dict(self._vectors.query(vector, _CANDIDATES, audiences)))

    def _gather(
        self, question: str, nearest: _Nearest, alternatives: Sequence[Alternative], audiences: Sequence[int]
    ) -> _Gathered:
        """What both searches find: the dense one is given, the lexical one is of all words."""
        terms = self._terms(question, alternatives)
        vector, dense = nearest.vector, nearest.cosines
        lexical = dict(self._lexical.query(terms.searched, _LEXICAL_DEPTH, audiences))
        # Asked for again: a source may have been closed to this reader since the searches looked.
        passages = self._catalog.passages([*dense, *list(lexical)[:_CANDIDATES]], audiences)
        cosines = dense | self._cosines(vector, passages.keys() - dense.keys())
        return _Gathered(terms, passages, cosines, lexical, _ranks(dense), _ranks(lexical))

    def _ranked(self, question: str, text: str, gathered: _Gathered, limit: int) -> list[FoundPassage]:
        passages, terms = gathered.passages, gathered.terms
        weight = cosine_weight(terms, max(gathered.lexical.values(), default=0.0))
        scores = {
            i: search_score(terms, weight, gathered.cosines.get(i, 0.0), gathered.lexical.get(i, 0.0))
            for i in passages
        }
        read = nlargest(max(_READ, 2 * limit), scores, key=scores.__getitem__)
        for i, wording in zip(read, wording_scores(terms, [passages[i].text for i in read]), strict=True):
            scores[i] += wording
        if self._reranker is not None:
            scores |= self._reranked(self._reranker, text, passages, scores)
        for i, passage in passages.items():
            if is_superseded(passage.title, passage.heading) and not asks_for_the_past(
                question, passage.title
            ):
                scores[i] -= _SUPERSEDED
        whole = passages | joined(passages.values())
        ordered = sorted(scores.items(), key=lambda scored: (-scored[1], scored[0]))
        return [gathered.found(whole[i], score) for i, score in ordered]

    def _reranked(
        self,
        reranker: Reranker,
        question: str,
        passages: Mapping[int, StoredPassage],
        scores: Mapping[int, float],
    ) -> dict[int, float]:
        """The best passages in the reranker's order, which share out the scores that they have."""
        best = nlargest(_RERANKED, scores, key=scores.__getitem__)
        judged = reranker.scores(question, [_in_full(passages[i]) for i in best])
        order = sorted(range(len(best)), key=lambda place: (-judged[place], place))
        return {best[place]: scores[i] for place, i in zip(order, best, strict=True)}

    def _explaining(self, question: str, audiences: Sequence[int]) -> Iterable[str]:
        stems = stem([word for word in acronyms_in(question)[:_EXPLAINING] if word not in STOP_WORDS])
        if not stems:
            return ()
        ids = [i for i, _ in self._lexical.query(stems, _EXPLAINING, audiences)]
        return (passage.text for passage in self._catalog.passages(ids, audiences).values())

    def _terms(self, question: str, alternatives: Sequence[Alternative]) -> QuestionTerms:
        # A misspelt stop word tells nothing.
        idle = {a.asked[0] for a in alternatives if len(a.asked) == 1 and STOP_WORDS.issuperset(a.written)}
        alternatives = [a for a in alternatives if not STOP_WORDS.issuperset(a.written)]
        words = content_words(question)
        words = [word for word in words if word not in idle] or words
        written = [word for alternative in alternatives for word in alternative.written]
        frequencies = self._lexical.document_frequencies(stem([*words, *written]))
        return question_terms(
            _rarest(words, frequencies), frequencies, self._lexical.passage_count(), alternatives
        )

    def _cosines(self, vector: NDArray[np.float32], ids: Iterable[int]) -> dict[int, float]:
        found, vectors = self._catalog.vectors_of(self._embedder.identity, sorted(ids))
        if not len(found):
            return {}
        return dict(zip(found.tolist(), (vectors @ vector).tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class _Nearest:
    """The embedding of a text, and the cosines of the passages that are nearest to it."""

    vector: NDArray[np.float32]
    cosines: dict[int, float]


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What the two searches found for a question; ranks count from 1."""

    terms: QuestionTerms
    passages: dict[int, StoredPassage]
    cosines: Mapping[int, float]
    lexical: Mapping[int, float]
    dense_ranks: Mapping[int, int]
    lexical_ranks: Mapping[int, int]

    @property
    def texts(self) -> Iterable[str]:
        return (passage.text for passage in self.passages.values())

    def found(self, passage: StoredPassage, score: float) -> FoundPassage:
        passage_id = passage.passage_id
        return FoundPassage(
            passage_id=passage_id,
            source=passage.source,
            uri=passage.uri,
            url=passage.url,
            title=passage.title,
            heading=passage.heading,
            text=passage.text,
            version=passage.version,
            indexed_at=passage.indexed_at,
            modified_at=passage.modified_at,
            dense_rank=self.dense_ranks.get(passage_id),
            lexical_rank=self.lexical_ranks.get(passage_id),
            dense_score=self.cosines.get(passage_id, 0.0),
            lexical_score=self.lexical.get(passage_id, 0.0),
            score=score,
        )


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


def _in_full(passage: StoredPassage) -> str:
    return "\n".join(part for part in (passage.title, passage.heading, passage.text) if part)
