"""What is indexed, how fresh it is, and which models speak."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.generation import BASE
from adapters.remote.budget import Spent
from bot.assembly import Assembly
from bot.generators import voices_in_words
from bot.health import Condition, Health
from bot.vector_server import VectorServerStatus, read_vector_server
from bot.voices import ActiveVoice
from knowledge.editions import Rebuilding


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source: how much of it is indexed, how its last sync ended, and how it is doing.

    `health` says in words what `condition` and the fields after it say. `done` of `total` documents that are
    due have been taken by a run that is on. `failing` are documents, `failures` runs in a row.
    """

    name: str
    configured: bool
    documents: int
    passages: int
    last_sync: datetime | None
    outcome: str
    failing: tuple[str, ...]
    health: str
    condition: Condition
    next_run: datetime | None
    paused_since: datetime | None
    failing_since: datetime | None
    failures: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ModelServerStatus:
    """The server whose model answers.

    `voices` says how they reach it, `fallback` what happens when it fails. `failing_since` and `reason` tell
    of the last question that it did not answer, unless it has answered since. What today has cost is counted
    only where the settings limit it.
    """

    url: str
    model: str
    voices: str
    fallback: str
    failing_since: datetime | None
    reason: str
    tokens_today: int
    money_today: float
    limit: str


@dataclass(frozen=True, slots=True)
class Status:
    """The state of one Lorebot home. `adapter` is the one that answers use: name, version, hash.

    `voices` are those of the places that have one of their own, after that of all others.
    `serving` tells whether a `lorebot serve` keeps the index current; without one no run is planned. Where
    several share an index, `leader` is the one that does, and since when.
    `rebuilding` tells how far an index with other settings is, which is built beside the one that answers.
    `model_server` is None where the model of this machine answers, which is `generation_model`, and
    `vector_server` where the vectors are in the home.
    """

    home: str
    serving: bool
    leader: str
    sources: tuple[SourceStatus, ...]
    documents: int
    passages: int
    index_generation: int
    last_sync: datetime | None
    rebuilding: Rebuilding | None
    embedding_model: str
    generation_model: str
    model_server: ModelServerStatus | None
    vector_server: VectorServerStatus | None
    adapter: tuple[str, str, str]
    voices: tuple[ActiveVoice, ...]
    adapters: tuple[str, ...]


def read_sources(assembly: Assembly) -> tuple[SourceStatus, ...]:
    """The state of every source: those of the settings, then those that are only in the index."""
    catalog, now = assembly.catalog, datetime.now(UTC)
    counts = catalog.counts()
    configured = tuple(source.name for source in assembly.settings.sources)
    sources = []
    for name, health in _health(assembly, configured):
        documents, passages = counts.by_source.get(name, (0, 0))
        last, running = health.last, health.running
        sources.append(
            SourceStatus(
                name=name,
                configured=name in configured,
                documents=documents,
                passages=passages,
                last_sync=last.finished_at if last else None,
                outcome=_outcome(health),
                failing=tuple(f"{failure.uri}: {failure.error}" for failure in catalog.failures(name)),
                health=health.words(now),
                condition=health.condition,
                next_run=health.next_run,
                paused_since=health.paused_since,
                failing_since=health.failing_since,
                failures=len(health.failed),
                done=running.done if running else 0,
                total=running.total if running else 0,
            )
        )
    return tuple(sources)


def _health(assembly: Assembly, configured: tuple[str, ...]) -> Iterator[tuple[str, Health]]:
    """The health of every source: those of the settings, then those that are only in the index."""
    catalog = assembly.catalog
    lasts, paused = catalog.last_syncs(), assembly.jobs.paused()
    jobs = assembly.jobs.jobs() if assembly.is_kept_current() else {}
    unconfigured = tuple(name for name in catalog.sources_seen() if name not in configured)
    for name in configured + unconfigured:
        last, job = lasts.get(name), jobs.get(name)
        yield (
            name,
            Health(
                last=last,
                failed=catalog.failing(name),
                running=assembly.run_notes.read(name) if assembly.is_syncing(name) else None,
                paused_since=paused.get(name),
                next_run=job.next_run_time if job else None,
            ),
        )


def read_status(assembly: Assembly) -> Status:
    """Read the state without loading a model."""
    catalog = assembly.catalog
    counts, sources = catalog.counts(), read_sources(assembly)
    finished = [source.last_sync for source in sources if source.last_sync]
    voices = assembly.voices.active()
    return Status(
        home=str(assembly.settings.home),
        serving=assembly.is_kept_current(),
        leader=assembly.leader,
        sources=sources,
        documents=counts.documents,
        passages=counts.passages,
        index_generation=catalog.generation(),
        last_sync=max(finished, default=None),
        rebuilding=assembly.rebuilding,
        embedding_model=assembly.embedding_model.name,
        generation_model=assembly.generation_model.name,
        model_server=read_model_server(assembly),
        vector_server=read_vector_server(assembly),
        adapter=_triple(assembly, voices[0].speaks),
        voices=voices,
        adapters=tuple(
            f"{installed.version.name}@{installed.version.version}" for installed in assembly.registry.list()
        ),
    )


def read_model_server(assembly: Assembly) -> ModelServerStatus | None:
    """How the model's server does, as the process noted that asks it. Raises `JournalError`."""
    generation, spending = assembly.settings.generation, assembly.settings.spending
    if generation.url is None or generation.model is None:
        return None
    note = assembly.server_notes.read()
    is_failing = note is not None and bool(note.reason)
    spent = assembly.spending.today() if spending.is_limited else Spent()
    return ModelServerStatus(
        url=generation.url,
        model=generation.model,
        voices=voices_in_words(assembly.settings),
        fallback=generation.fallback,
        failing_since=note.at if note and is_failing else None,
        reason=note.reason if note else "",
        tokens_today=spent.tokens,
        money_today=spent.money,
        limit=spending.in_words,
    )


def _triple(assembly: Assembly, reference: str) -> tuple[str, str, str]:
    if reference == BASE:
        return (BASE, "", "")
    version = assembly.registry.resolve(reference).version
    return (version.name, version.version, version.hash)


def _outcome(health: Health) -> str:
    if health.last is None or health.condition == "running":
        return health.condition
    return health.last.outcome if health.last.finished_at else "interrupted"
