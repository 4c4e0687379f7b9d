"""Builds the object graph from the settings; the only constructor of long-lived things."""

from __future__ import annotations

import asyncio
import os
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from bot.home import SERVING, HomeLayout
from bot.models import LocatedModel, is_on_hub, locate_model
from bot.settings import Settings, SettingsError
from knowledge.documents import EVERYONE, PUBLIC, Reader, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Engine

    from adapters.base_model import ModelLocation
    from adapters.local import LocalGenerator
    from adapters.registry import AdapterRegistry, InstalledAdapter
    from adapters.remote.failover import FailoverGenerator
    from adapters.remote.generator import RemoteGenerator
    from bot.assistant import Assistant
    from bot.attachments import AttachmentReader
    from bot.inbox import Inbox
    from bot.jobs import JobTable
    from bot.journal import Journal
    from bot.kept_vectors import KeptVectors
    from bot.leading import Leadership
    from bot.live_index import LiveIndex
    from bot.manners import Manners
    from bot.memory import Memory
    from bot.metrics import Metrics
    from bot.progress import RunNotes
    from bot.rate_limits import QuestionLimits
    from bot.rewriting import Rewriter
    from bot.server_events import ServerEvents, ServerNotes
    from bot.spending import SpendingLedger
    from bot.telemetry import Tracing
    from bot.voices import Voices
    from connectors.conversation import Place
    from connectors.log import Log
    from connectors.ports import Ports
    from connectors.presence import Presence
    from knowledge.catalog import Catalog
    from knowledge.chroma_http import ChromaServer
    from knowledge.chunking import Chunker
    from knowledge.edition import EditionStore, MadeWith
    from knowledge.editions import Editions, Rebuilding
    from knowledge.embedding import Embedding
    from knowledge.locking import SyncLocks
    from knowledge.reranking import Reranker
    from knowledge.sync import Synchronizer


class Assembly:
    """One running Lorebot. Parts are built when first asked for, so that a light command stays light.

    `announce` is told, in one line each, what a person should know about the index's repair.
    """

    def __init__(
        self, settings: Settings, announce: Callable[[str], None], models: Path | None = None
    ) -> None:
        self.settings = settings
        self.layout = HomeLayout(settings.home, models or settings.home / "models")
        self._announce = announce
        settings.home.mkdir(parents=True, exist_ok=True)
        if self.layout.decided_restore.exists():
            from bot.restoring import finish_restore

            finish_restore(self.layout)
        named = settings.models
        if not any(map(is_on_hub, (named.embedding, named.generation, named.reranker or ""))):
            os.environ.setdefault("HF_HUB_OFFLINE", "1")

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The configured sources by name."""
        return {
            source.name: source.build(self.layout.sources / source.name) for source in self.settings.sources
        }

    @property
    def threads(self) -> int:
        """How many processor cores a model may use."""
        return self.settings.generation.threads or len(os.sched_getaffinity(0))

    @cached_property
    def embedding_model(self) -> LocatedModel:
        return locate_model("models.embedding", self.settings.models.embedding)

    @cached_property
    def generation_model(self) -> LocatedModel:
        return locate_model("models.generation", self.settings.models.generation)

    @cached_property
    def editions(self) -> Editions:
        from knowledge.editions import Editions
        from knowledge.vectors import open_vectors

        open_index = partial(
            open_vectors, chroma_from=self.settings.sync.chroma_from, server=self.chroma_server
        )
        return Editions(self._edition_store(), self._announce, open_index)

    def _edition_store(self) -> EditionStore:
        if self.shared_database is not None:
            from knowledge.edition_schemas import EditionSchemas

            return EditionSchemas(self.shared_database, self.layout.index)
        from knowledge.edition_folders import EditionFolders
        from knowledge.older_layout import adopt

        # Where a home without editions keeps its index.
        older, vectors = self.layout.home / "catalog.sqlite", self.layout.home / "vectors"
        adopt(older, vectors, self.layout.index, self.settings.models.embedding)
        return EditionFolders(self.layout.index)

    @cached_property
    def shared_database(self) -> Engine | None:
        """The Postgres database in which several machines share the index, if the settings name one."""
        from knowledge.postgres import SHARED_SCHEMA, open_postgres, postgres_url

        url = self.settings.catalog.url
        return open_postgres(postgres_url(url), SHARED_SCHEMA) if url else None

    @cached_property
    def leadership(self) -> Leadership | None:
        """Which of the processes that share the index keeps it current; None where one process has it."""
        from bot.leading import Leadership

        return Leadership(self.shared_database) if self.shared_database is not None else None

    @property
    def leader(self) -> str:
        """Who keeps a shared index current, and since when."""
        return self.leadership.leader() if self.leadership is not None else ""

    def is_kept_current(self) -> bool:
        """Whether some `lorebot serve` keeps the index current."""
        from knowledge.locking import is_locked

        if self.leadership is not None:
            return bool(self.leadership.leader())
        return is_locked(self.layout.home, SERVING)

    @cached_property
    def chroma_server(self) -> ChromaServer | None:
        """Where the vectors are, if the settings name a server."""
        from bot.vector_server import build_chroma_server

        return build_chroma_server(self.settings.chroma, os.environ)

    @property
    def catalog(self) -> Catalog:
        """The live catalog; another may take over, so take it anew for each thing to do."""
        return self.editions.live().catalog

    @property
    def rebuilding(self) -> Rebuilding | None:
        """How far an index with other settings is, which is built beside the live one."""
        return self.editions.rebuilding(source.name for source in self.settings.sources)

    def is_syncing(self, source: str) -> bool:
        """Whether a run of this source is on, in this process or another."""
        return self.sync_locks.is_held(source)

    @cached_property
    def sync_locks(self) -> SyncLocks:
        from knowledge.locking import DatabaseLocks, FileLocks

        if self.shared_database is not None:
            return DatabaseLocks(self.shared_database)
        return FileLocks(self.layout.locks)

    @cached_property
    def embedder(self) -> Embedding:
        from knowledge.embedding import load_embedder

        return load_embedder(self.embedding_model.path, self.layout.models, self.threads)

    @cached_property
    def chunker(self) -> Chunker:
        from knowledge.chunking import Chunker

        return Chunker(
            self.embedder.tokenizer_file, self.embedder.max_tokens, self.settings.sync.passage_words
        )

    @cached_property
    def search(self) -> LiveIndex:
        from bot.live_index import LiveIndex

        audiences = {source.name: frozenset(source.audience) for source in self.settings.sources}
        return LiveIndex(self.editions, self._embedder_of, audiences, self.reranker)

    @cached_property
    def reranker(self) -> Reranker | None:
        """The cross-encoder that orders the best passages, where the settings name one."""
        from knowledge.reranking import CrossEncoderReranker

        spec = self.settings.models.reranker
        return CrossEncoderReranker(locate_model("models.reranker", spec).path) if spec else None

    def _embedder_of(self, made_with: MadeWith) -> Embedding:
        """The embedder of an edition, which may have been made with other settings."""
        from knowledge.documents import KnowledgeError
        from knowledge.embedding import WordsOnly, load_embedder

        if made_with.embedder in ("", self.embedder.identity):
            return self.embedder
        try:
            model = locate_model("models.embedding", made_with.model)
            embedder = load_embedder(model.path, self.layout.models, self.threads)
            if embedder.identity == made_with.embedder:
                return embedder
            reason = "it is not the same any more"
        except (SettingsError, KnowledgeError, OSError) as error:
            reason = str(error)
        self._announce(
            f"The embedding model that the index was made with ({made_with.model}) cannot be used, {reason}: "
            "passages are found by their words alone until the index is rebuilt."
        )
        return WordsOnly()

    @cached_property
    def synchronizer(self) -> Synchronizer:
        from knowledge.isolation import IsolatedConverter
        from knowledge.sync import Synchronizer

        return Synchronizer(
            self.editions,
            self.embedder,
            self.chunker,
            IsolatedConverter(),
            self.sync_locks,
            self.settings.models.embedding,
            [source.name for source in self.settings.sources],
        )

    @cached_property
    def jobs(self) -> JobTable:
        from bot.jobs import open_job_file, open_shared_jobs

        if self.shared_database is not None:
            return open_shared_jobs(self.shared_database)
        return open_job_file(self.layout.jobs)

    @cached_property
    def run_notes(self) -> RunNotes:
        from bot.progress import RunNotes

        return RunNotes(self.layout.running)

    @cached_property
    def registry(self) -> AdapterRegistry:
        from adapters.registry import SHIPPED, AdapterRegistry

        return AdapterRegistry(self.settings.generation.adapters or self.layout.home / "adapters", SHIPPED)

    @cached_property
    def journal(self) -> Journal:
        from bot.journal import Journal, journal_url

        return Journal(journal_url(self.settings.journal.url, self.layout.journal))

    @cached_property
    def voices(self) -> Voices:
        """Which adapter speaks where."""
        from adapters.generation import BASE
        from bot.generators import takes_examples
        from bot.voices import AUTO, Voices

        default = self.settings.generation.adapter
        if default == AUTO and takes_examples(self.settings):
            default = BASE  # the adapter that comes with Lorebot teaches a small model what a large one can
        return Voices(self.registry, self.journal, default, self._check_adapter, self._announce)

    def _check_adapter(self, adapter: InstalledAdapter) -> None:
        from adapters.base_model import base_digest
        from adapters.checks import check_base, check_files
        from bot.generators import takes_examples
        from bot.voice_examples import examples_of

        if takes_examples(self.settings):
            examples_of(self.registry, adapter)
            return
        if self.settings.generation.url is not None and self.settings.generation.fallback == "quote":
            check_files(adapter.folder)  # the base lies on the server alone, which knows what fits it
            return
        location = self.base_location
        check_base(check_files(adapter.folder), location.name, base_digest(location, self.layout.models))

    @property
    def base_location(self) -> ModelLocation:
        """Where the base model lies."""
        from adapters.base_model import ModelLocation

        model = self.generation_model
        if model.path.is_file():
            return ModelLocation(model.path.parent, model.path.name, model.name)
        return ModelLocation(model.path, None, model.name)

    @cached_property
    def generator(self) -> LocalGenerator | FailoverGenerator:
        """What answers: the model of this process, or one on a server and what speaks when that fails."""
        from adapters.generation import BASE
        from adapters.remote.failover import FailoverGenerator
        from bot.generators import build_answering, generation_endpoint, takes_examples
        from bot.server_events import ServerAnnouncer, ServerEvents
        from bot.voices import AUTO

        endpoint = generation_endpoint(self.settings)
        if endpoint is None:
            return self.local_generator
        is_local = self.settings.generation.fallback == "local"
        instead = "The local model answers instead." if is_local else "Evidence is quoted instead."
        announcer = ServerAnnouncer(self._announce, instead)
        listener = ServerEvents(announcer, self.server_notes, self.server_events)
        remote = build_answering(self.settings, endpoint, self.registry, lambda: self.spending, listener)
        is_stood_in = takes_examples(self.settings) and self.settings.generation.adapter == AUTO
        stand_in = self.voices.exact(AUTO) if is_stood_in else BASE
        return FailoverGenerator(remote, self.local_generator if is_local else None, stand_in, listener)

    @cached_property
    def local_generator(self) -> LocalGenerator:
        """The model of this process, by which adapters are measured too."""
        return self.generator_of(self.registry)

    @cached_property
    def server_events(self) -> ServerEvents:
        """What happens on the servers of models; metrics add themselves."""
        from bot.server_events import ServerEvents

        return ServerEvents()

    @property
    def server_notes(self) -> ServerNotes:
        """How the server of the model that answers did, as the process knows that asks it."""
        from bot.server_events import ServerNotes

        return ServerNotes(self.layout.server_note)

    @property
    def spending(self) -> SpendingLedger:
        """What each day has cost."""
        from bot.spending import SpendingLedger

        return SpendingLedger(self.journal.database)

    def generator_of(self, registry: AdapterRegistry) -> LocalGenerator:
        """A generator of its own, which speaks through the adapters of `registry`; the caller closes it."""
        from adapters.local import LocalGenerator

        dtype = self.settings.generation.dtype
        return LocalGenerator(self.base_location, registry, self.layout.models, self.threads, dtype)

    @cached_property
    def rewriting_generator(self) -> RemoteGenerator | None:
        """The model on a server that rewrites questions, where the settings name one."""
        from bot.generators import build_rewriting

        return build_rewriting(self.settings, lambda: self.spending, self.server_events)

    @property
    def rewriter(self) -> Rewriter:
        """What makes a question stand alone before it searches."""
        from bot.rewriting import ModelRewriter, RuleRewriter

        if self.rewriting_generator is None:
            return RuleRewriter()
        return ModelRewriter(self.rewriting_generator, self.settings.rewriting.timeout_seconds)

    def assistant(self, voice_at: Callable[[Place], str]) -> Assistant:
        """The engine; `voice_at` tells which adapter speaks in a place ("base" for none), and may block."""
        from bot.assistant import AnswerLimits, Assistant
        from bot.evidence import EvidenceSelector
        from bot.reading_material import EVIDENCE_OF_PASSAGES, best_sentences, whole_passages
        from bot.routing import Router

        answers, whole = self.settings.answers, self.settings.generation.whole_passages
        limits = AnswerLimits(
            passages=answers.passages,
            # What is said of a whole passage may rest on any of its sentences.
            evidence=EVIDENCE_OF_PASSAGES if whole else answers.evidence,
            max_words=answers.max_words,
            max_new_tokens=self.settings.generation.max_new_tokens,
            ask_instead=answers.ask_instead,
            read=whole_passages if whole else best_sentences,
        )
        return Assistant(
            self.search,
            Router(self.kept_vectors.embed, self.search.document_frequencies),
            self.rewriter,
            EvidenceSelector(self.kept_vectors.embed),
            self.generator,
            voice_at,
            limits,
            self.attachment_reader.read,
        )

    @cached_property
    def kept_vectors(self) -> KeptVectors:
        from bot.kept_vectors import KeptVectors

        return KeptVectors(self.embedder.embed)

    @cached_property
    def attachment_reader(self) -> AttachmentReader:
        from bot.attachments import AttachmentReader
        from knowledge.isolation import IsolatedConverter, Limits

        # Somebody waits for the answer.
        limits = Limits(seconds=20.0, seconds_a_megabyte=5.0, most_seconds=40.0)
        return AttachmentReader(IsolatedConverter(limits), self.chunker, self.embedder.embed)

    @cached_property
    def inbox(self) -> Inbox:
        from bot.inbox import Inbox

        return Inbox(self.journal.database, self._announce)

    @cached_property
    def memory(self) -> Memory:
        from bot.observing import CountedMemory

        return CountedMemory(self.journal.database, self.metrics)

    @cached_property
    def metrics(self) -> Metrics:
        from bot.metrics import Metrics

        return Metrics()

    @cached_property
    def tracing(self) -> Tracing:
        from bot.telemetry import open_tracing

        return open_tracing(os.environ, self._announce)

    @cached_property
    def presence(self) -> Presence:
        from connectors.presence import Presence

        return Presence()

    @cached_property
    def limits(self) -> QuestionLimits:
        """How much may be asked of this process, on all platforms together."""
        from bot.rate_limits import Allowance, QuestionLimits

        limits = self.settings.limits
        seconds = 60 * limits.minutes
        person, place = (
            Allowance(questions, seconds) if questions else None
            for questions in (limits.person_questions, limits.place_questions)
        )
        return QuestionLimits(person, place)

    @cached_property
    def manners(self) -> Manners:
        from bot.manners import Manners

        experts = {source.name: source.expert for source in self.settings.sources if source.expert}
        modes = {"slack": self.settings.slack.channels, "discord": self.settings.discord.channels}
        return Manners(self.journal, modes, experts)

    def ports(self, log: Log, admins: Sequence[str]) -> Ports:
        """What a platform is given, of which `admins` are principals; `log` gets what fails.

        `inbox.run` has to run beside the platforms.
        """
        from bot.administration import Administration
        from bot.conversing import Conversing
        from bot.observing import Observed
        from bot.rate_limits import RateLimited
        from bot.welcome import Welcoming
        from connectors.ports import Ports

        administration = Administration(self, self.manners, admins, log)
        limited = RateLimited(self.assistant(self.voices.adapter_at), self.limits, administration.is_admin)
        return Ports(
            answering=Conversing(Observed(limited, self.metrics, self.tracing, log), log),
            administering=administration,
            inbox=self.inbox,
            memory=self.memory,
            manners=self.manners,
            welcoming=Welcoming(self, administration.is_admin),
            presence=self.presence,
        )

    def speaking_as(self, adapter: str) -> Assistant:
        """The engine with one adapter in every place."""
        return self.assistant(lambda place: adapter)

    async def warm_up(self) -> None:
        """Load the models and the index before the first question needs them."""
        await asyncio.gather(
            self.generator.start(),
            asyncio.to_thread(self.search.find, "warm up", Reader((frozenset({EVERYONE, PUBLIC}),)), 1),
            asyncio.to_thread(self.search.prefetch),
        )

    async def close(self) -> None:
        """Close whatever was built, the model first."""
        built = self.__dict__
        if "local_generator" in built:
            await self.local_generator.close()
        if "generator" in built and built["generator"] is not built.get("local_generator"):
            await self.generator.close()
        if built.get("rewriting_generator") is not None:
            await built["rewriting_generator"].close()
        if "tracing" in built:
            await asyncio.to_thread(self.tracing.close)
        if "editions" in built:
            self.editions.close()
        if built.get("chroma_server") is not None:
            built["chroma_server"].close()
        if "jobs" in built:
            self.jobs.close()
        if built.get("shared_database") is not None:
            built["shared_database"].dispose()
        if "inbox" in built:
            self.inbox.close()
        if "journal" in built:
            self.journal.close()
