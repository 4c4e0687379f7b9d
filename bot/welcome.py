"""What a person sees before asking anything: what the bot knows for them, and what to ask first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bot.evidence import EvidenceSelector
from bot.readable import readable_sources, reader_in
from bot.status import SourceStatus, read_sources
from bot.suggestions import Suggestions
from connectors.conversation import Asker, Place
from connectors.ports import KnownSource, Welcome
from knowledge.documents import Reader

if TYPE_CHECKING:
    from bot.assembly import Assembly

_MOST_FAILURES = 10
_LONGEST = 200


class Welcoming:
    """The port `Welcoming` of the connectors."""

    def __init__(self, assembly: Assembly, is_admin: Callable[[Asker], bool]) -> None:
        self._assembly = assembly
        self._is_admin = is_admin
        self._suggestions: Suggestions | None = None
        # Who waits for suggestions to be found holds no thread meanwhile.
        self._looking = asyncio.Lock()

    async def welcome(self, asker: Asker, place: Place) -> Welcome:
        """What the bot knows for this person in this place. Raises `KnowledgeError` and `JournalError`."""
        reader = reader_in(asker, place)
        async with self._looking:
            suggestions = await asyncio.to_thread(self._suggested, reader)
        return await asyncio.to_thread(self._welcome, asker, place, reader, suggestions)

    def _welcome(self, asker: Asker, place: Place, reader: Reader, suggestions: tuple[str, ...]) -> Welcome:
        assembly = self._assembly
        sources = read_sources(assembly)
        readable = readable_sources(assembly, reader)
        is_admin = self._is_admin(asker)
        with assembly.search.reading() as index:
            passages = index.readable_passages(reader)
        return Welcome(
            sources=tuple(_known(source, is_admin) for source in sources if source.name in readable),
            passages=passages,
            suggestions=suggestions,
            voice=assembly.voices.adapter_at(place),
            failures=_failures(sources) if is_admin else None,
        )

    def _suggested(self, reader: Reader) -> tuple[str, ...]:
        if self._suggestions is None:
            selector = EvidenceSelector(self._assembly.kept_vectors.embed)
            self._suggestions = Suggestions(self._assembly.search, selector)
        return self._suggestions.for_reader(reader)


def _known(source: SourceStatus, is_admin: bool) -> KnownSource:
    """What fails in a source, and where, is for admins."""
    health = "failing" if source.condition == "failing" and not is_admin else source.health
    return KnownSource(source.name, source.documents, source.last_sync, health)


def _failures(sources: Sequence[SourceStatus]) -> tuple[str, ...]:
    lines = [f"{source.name}: {source.health}" for source in sources if source.condition == "failing"]
    lines += [f"{source.name}: {failing}" for source in sources for failing in source.failing]
    return tuple(line[:_LONGEST] for line in lines[:_MOST_FAILURES])
