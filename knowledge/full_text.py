"""The port behind search by words: what a database's own full text tells of the catalog's passages.

Stems are those of `knowledge.terms` in every database, and counted are title, heading and text of a passage.
Everything is done in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from sqlalchemy import Connection

from knowledge.arrays import Ids


class FullText(Protocol):
    """Implemented by the modules `knowledge.fts5` and `knowledge.tsvector`."""

    def index_new(self, connection: Connection, changed: Sequence[int]) -> None:
        """Index those passages of these documents that are not; passages that go take their words along."""
        ...

    def token_counts(self, connection: Connection) -> Ids:
        """How many tokens each live passage has, by passage id."""
        ...

    def token_counts_of(self, connection: Connection, ids: Ids) -> Ids:
        """What `token_counts` gives, of these live passages alone."""
        ...

    def occurrences(self, connection: Connection, stems: Sequence[str]) -> dict[str, Ids]:
        """For each stem the id of the passage of every one of its occurrences."""
        ...

    def occurrences_in(self, connection: Connection, ids: Ids) -> dict[str, Ids]:
        """What `occurrences` gives for every stem of these passages, looking at no other passage."""
        ...

    def occurring(self, connection: Connection, stems: Sequence[str]) -> set[str]:
        """Those of these stems that a passage holds, however many do."""
        ...

    def vocabulary(self, connection: Connection) -> Iterator[tuple[str, int]]:
        """Every stem of the index, with the number of passages that it occurs in."""
        ...

    def document_frequencies(self, connection: Connection, stems: Sequence[str]) -> dict[str, int]:
        """In how many passages each stem occurs; stems that occur nowhere are left out."""
        ...
