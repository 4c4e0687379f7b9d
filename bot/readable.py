"""What somebody may know of: the sources whose audience they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.assistant import reader_of
from connectors.conversation import Asker, Place, Question
from knowledge.documents import Reader

if TYPE_CHECKING:
    from bot.assembly import Assembly


def reader_in(asker: Asker, place: Place) -> Reader:
    """Everyone who reads what is said to this person in this place."""
    return reader_of(Question("", "", asker, place))


def readable_sources(assembly: Assembly, reader: Reader) -> frozenset[str]:
    """Names of the sources that are open to a reader, by the settings where they name the source."""
    configured = {source.name: frozenset(source.audience) for source in assembly.settings.sources}
    indexed = [entry for entry in assembly.catalog.audiences_of_sources() if entry[0] not in configured]
    return frozenset(
        source
        for source, audience in (*configured.items(), *indexed)
        if reader.principal_sets and all(audience & held for held in reader.principal_sets)
    )
