"""The index that answers: for each question the edition that is live when it begins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from knowledge.documents import EVERYONE, PUBLIC, FoundPassage, KnowledgeError, Reader
from knowledge.edition import Edition, MadeWith
from knowledge.editions import Editions
from knowledge.embedding import Embedding
from knowledge.reading import CatalogReader
from knowledge.reranking import Reranker
from knowledge.search import Search
from knowledge.vectors import ExactVectors

_COUNTS_KEPT = 100


@dataclass(frozen=True, slots=True)
class OneIndex:
    """One edition, as one question sees it."""

    catalog: CatalogReader
    search: Search
    _counted: dict[tuple[str, tuple[int, ...]], int] = field(default_factory=dict)

    def find(self, question: str, reader: Reader, limit: int = 10) -> tuple[FoundPassage, ...]:
        """See `Search.find`."""
        return self.search.find(question, reader, limit)

    def corrected(self, question: str, reader: Reader) -> str:
        """See `Search.corrected`."""
        return self.search.corrected(question, reader)

    def term_weights(self, question: str) -> dict[str, float]:
        """See `Search.term_weights`."""
        return self.search.term_weights(question)

    def readable_passages(self, reader: Reader) -> int:
        """How many passages are searched for this reader."""
        state = (self.catalog.stamp(), self.catalog.readable_audiences(reader))
        if state not in self._counted:
            if len(self._counted) >= _COUNTS_KEPT:
                self._counted.clear()
            self._counted[state] = self.catalog.passage_count(state[1])
        return self._counted[state]

    def generation(self) -> int:
        """The generation of the index that the answer rests on."""
        return self.catalog.generation()


class LiveIndex:
    """Opens the live edition for one question after the other, with the embedder that it was made with.

    Before the first question to an edition, sources that the settings open to fewer readers than it does are
    closed to the others there.
    """

    def __init__(
        self,
        editions: Editions,
        embedder_of: Callable[[MadeWith], Embedding],
        audiences: Mapping[str, frozenset[str]],
        reranker: Reranker | None = None,
    ) -> None:
        """`audiences` are those of the settings, by source."""
        self._editions = editions
        self._embedder_of = embedder_of
        self._audiences = audiences
        self._reranker = reranker
        self._lock = threading.Lock()
        self._opened: tuple[Edition, OneIndex] | None = None

    @contextmanager
    def reading(self) -> Iterator[OneIndex]:
        """The index for one question, which stays the same for the block whatever takes over meanwhile.

        Raises `KnowledgeError` when a source should be closed to some readers and that cannot be written.
        """
        with self._editions.reading() as edition:
            yield self._of(edition)

    def find(self, question: str, reader: Reader, limit: int = 10) -> tuple[FoundPassage, ...]:
        """See `Search.find`."""
        with self.reading() as index:
            return index.find(question, reader, limit)

    def prefetch(self) -> None:
        """See `Search.prefetch`."""
        with self.reading() as index:
            index.search.prefetch()

    def document_frequencies(self, stems: Sequence[str]) -> dict[str, int]:
        """See `CatalogReader.document_frequencies`."""
        with self.reading() as index:
            return index.catalog.document_frequencies(stems)

    def _of(self, edition: Edition) -> OneIndex:
        with self._lock:
            if self._opened is None or self._opened[0] is not edition:
                self._close_to_others(edition)
                embedder = self._embedder_of(edition.made_with)
                same = embedder.identity == edition.made_with.embedder
                vectors = edition.vectors if same else ExactVectors(edition.catalog, embedder.identity)
                search = Search(edition.catalog, vectors, embedder, self._reranker)
                self._opened = (edition, OneIndex(edition.catalog, search))
            return self._opened[1]

    def _close_to_others(self, edition: Edition) -> None:
        """Take from the index those readers whom the settings do not name; who is new waits for a sync."""
        for source, held in edition.catalog.audiences_of_sources():
            wanted = self._audiences.get(source, held)
            if _includes(wanted, held):
                continue
            try:
                edition.catalog.set_audience(source, wanted if _includes(held, wanted) else held & wanted)
            except KnowledgeError as error:
                raise KnowledgeError(
                    f"Source '{source}' is open to fewer readers than it was, which cannot be written to the "
                    f"index, so nothing is answered from it: {error}"
                ) from error


def _includes(audience: frozenset[str], other: frozenset[str]) -> bool:
    """Whether all who belong to `other` belong to an audience too."""
    return PUBLIC in audience or (EVERYONE in audience and PUBLIC not in other) or other <= audience
