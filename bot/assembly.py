"""Builds the object graph from the settings; the only constructor of long-lived things."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bot.models import LocatedModel, is_on_hub, locate_model
from bot.settings import Settings
from knowledge.documents import EVERYONE, Reader, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.local import LocalGenerator
    from adapters.registry import AdapterRegistry
    from bot.assistant import Assistant
    from knowledge.catalog import Catalog
    from knowledge.chunking import Chunker
    from knowledge.embedding import Embedding
    from knowledge.search import Search
    from knowledge.sync import Synchronizer
    from knowledge.vectors import VectorIndex


@dataclass(frozen=True, slots=True)
class HomeLayout:
    """Where things lie; `models` holds models made ready for this machine: quantised, converted, measured."""

    home: Path
    models: Path

    @property
    def catalog(self) -> Path:
        return self.home / "catalog.sqlite"

    @property
    def vectors(self) -> Path:
        return self.home / "vectors"

    @property
    def sources(self) -> Path:
        """What sources keep between runs: clones, and what is known of web pages."""
        return self.home / "sources"

    @property
    def sync_lock(self) -> Path:
        return self.home / "sync.lock"


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
        if not any(map(is_on_hub, (settings.models.embedding, settings.models.generation))):
            os.environ.setdefault("HF_HUB_OFFLINE", "1")

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The configured sources by name."""
        return {
            source.name: source.build(self.layout.sources / source.name) for source in self.settings.sources
        }

    @property
    def _threads(self) -> int:
        return self.settings.generation.threads or len(os.sched_getaffinity(0))

    @cached_property
    def embedding_model(self) -> LocatedModel:
        return locate_model("models.embedding", self.settings.models.embedding)

    @cached_property
    def generation_model(self) -> LocatedModel:
        return locate_model("models.generation", self.settings.models.generation)

    @cached_property
    def catalog(self) -> Catalog:
        from knowledge.catalog import Catalog

        return Catalog(self.layout.catalog)

    @cached_property
    def embedder(self) -> Embedding:
        from knowledge.embedding import load_embedder

        return load_embedder(self.embedding_model.path, self.layout.models, self._threads)

    @cached_property
    def chunker(self) -> Chunker:
        from knowledge.chunking import Chunker

        return Chunker(
            self.embedder.tokenizer_file, self.embedder.max_tokens, self.settings.sync.passage_words
        )

    @cached_property
    def vectors(self) -> VectorIndex:
        from knowledge.vectors import open_vectors

        return open_vectors(self.layout.vectors, self.catalog, self.embedder.identity, self._announce)

    @cached_property
    def search(self) -> Search:
        from knowledge.search import Search

        return Search(self.catalog, self.vectors, self.embedder)

    @cached_property
    def synchronizer(self) -> Synchronizer:
        from knowledge.isolation import IsolatedConverter
        from knowledge.sync import Synchronizer

        return Synchronizer(
            self.catalog,
            self.vectors,
            self.embedder,
            self.chunker,
            IsolatedConverter(),
            self.layout.sync_lock,
        )

    @cached_property
    def registry(self) -> AdapterRegistry:
        from adapters.registry import AdapterRegistry

        return AdapterRegistry(self.settings.generation.adapters or self.layout.home / "adapters")

    @cached_property
    def generator(self) -> LocalGenerator:
        from adapters.base_model import ModelLocation
        from adapters.local import LocalGenerator

        model = self.generation_model
        location = (
            ModelLocation(model.path.parent, model.path.name, model.name)
            if model.path.is_file()
            else ModelLocation(model.path, None, model.name)
        )
        generation = self.settings.generation
        return LocalGenerator(location, self.registry, self.layout.models, self._threads, generation.dtype)

    def assistant(self, adapter: str) -> Assistant:
        """The engine, speaking through `adapter` ("base" for none)."""
        from bot.assistant import AnswerLimits, Assistant
        from bot.evidence import EvidenceSelector
        from bot.routing import Router

        answers = self.settings.answers
        limits = AnswerLimits(
            passages=answers.passages,
            evidence=answers.evidence,
            max_words=answers.max_words,
            max_new_tokens=self.settings.generation.max_new_tokens,
            ask_instead=answers.ask_instead,
        )
        return Assistant(
            self.catalog,
            self.search,
            Router(self.embedder.embed, self.catalog.document_frequencies),
            EvidenceSelector(self.embedder.embed),
            self.generator,
            adapter,
            limits,
        )

    async def warm_up(self) -> None:
        """Load the models and the index before the first question needs them."""
        await asyncio.gather(
            self.generator.start(),
            asyncio.to_thread(self.search.find, "warm up", Reader((frozenset({EVERYONE}),)), 1),
        )

    async def close(self) -> None:
        """Close whatever was built, the model first."""
        built = self.__dict__
        if "generator" in built:
            await self.generator.close()
        if "vectors" in built:
            self.vectors.close()
        if "catalog" in built:
            self.catalog.close()
