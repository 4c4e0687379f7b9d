"""What is indexed, how fresh it is, and which models speak."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from adapters.generation import BASE
from bot.assembly import Assembly


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source: how much of it is indexed and how its last sync ended."""

    name: str
    configured: bool
    documents: int
    passages: int
    last_sync: datetime | None
    outcome: str
    failing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """The state of one Lorebot home. `adapter` is the one that answers use: name, version, hash."""

    home: str
    sources: tuple[SourceStatus, ...]
    documents: int
    passages: int
    index_generation: int
    last_sync: datetime | None
    embedding_model: str
    generation_model: str
    adapter: tuple[str, str, str]
    adapters: tuple[str, ...]


def read_sources(assembly: Assembly) -> tuple[SourceStatus, ...]:
    """The state of every source: those of the settings, then those that are only in the index."""
    catalog = assembly.catalog
    counts, syncs = catalog.counts(), catalog.last_syncs()
    configured = tuple(source.name for source in assembly.settings.sources)
    unconfigured = tuple(name for name in catalog.sources_seen() if name not in configured)
    sources = []
    for name in configured + unconfigured:
        documents, passages = counts.by_source.get(name, (0, 0))
        last = syncs.get(name)
        sources.append(
            SourceStatus(
                name=name,
                configured=name in configured,
                documents=documents,
                passages=passages,
                last_sync=last.finished_at if last else None,
                outcome=_outcome(last.outcome, last.finished_at) if last else "never synced",
                failing=tuple(f"{failure.uri}: {failure.error}" for failure in catalog.failures(name)),
            )
        )
    return tuple(sources)


def read_status(assembly: Assembly) -> Status:
    """Read the state without loading a model. Raises `GenerationError` when the adapter is not there."""
    catalog = assembly.catalog
    counts, sources = catalog.counts(), read_sources(assembly)
    finished = [source.last_sync for source in sources if source.last_sync]
    name = assembly.settings.generation.adapter
    active = ("base", "", "") if name == BASE else _triple(assembly, name)
    return Status(
        home=str(assembly.settings.home),
        sources=sources,
        documents=counts.documents,
        passages=counts.passages,
        index_generation=catalog.generation(),
        last_sync=max(finished, default=None),
        embedding_model=assembly.embedding_model.name,
        generation_model=assembly.generation_model.name,
        adapter=active,
        adapters=tuple(
            f"{installed.version.name}@{installed.version.version}" for installed in assembly.registry.list()
        ),
    )


def _triple(assembly: Assembly, name: str) -> tuple[str, str, str]:
    version = assembly.registry.resolve(name).version
    return (version.name, version.version, version.hash)


def _outcome(outcome: str, finished_at: datetime | None) -> str:
    return outcome if finished_at else "running, or ended without a word"
