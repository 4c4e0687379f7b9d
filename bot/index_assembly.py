"""The parts that keep and search the index, built from the settings when first asked for."""

from __future__ import annotations

import os
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from bot.home import SERVING, HomeLayout
from bot.models import LocatedModel, is_on_hub, locate_model
from bot.settings import Settings, SettingsError
from knowledge.documents import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from bot.jobs import JobTable
    from bot.leading import Leadership
    from bot.live_index import LiveIndex
    from bot.progress import RunNotes
    from knowledge.catalog import Catalog
    from knowledge.chroma_http import ChromaServer
    from knowledge.chunking import Chunker
    from knowledge.edition import EditionStore, MadeWith
    from knowledge.editions import Editions, Rebuilding
    from knowledge.embedding import Embedding
    from knowledge.locking import SyncLocks
    from knowledge.reranking import Reranker
    from knowledge.sync import Synchronizer


class IndexAssembly:
    """Sources, index and search of one Lorebot.

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
