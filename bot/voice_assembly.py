"""The parts that speak: adapters, models, the journal that says which speaks where."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from bot.index_assembly import IndexAssembly

if TYPE_CHECKING:
    from adapters.base_model import ModelLocation
    from adapters.local import LocalGenerator
    from adapters.registry import AdapterRegistry, InstalledAdapter
    from adapters.remote.failover import FailoverGenerator
    from adapters.remote.generator import RemoteGenerator
    from bot.journal import Journal
    from bot.rewriting import Rewriter
    from bot.server_events import ServerEvents, ServerNotes
    from bot.spending import SpendingLedger
    from bot.voices import Voices


class VoiceAssembly(IndexAssembly):
    """Adapters, voices and what generates, in this process or on a server, beside the index."""

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
