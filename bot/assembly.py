"""Builds the object graph from the settings; the only constructor of long-lived things."""

from __future__ import annotations

import asyncio
import os
from functools import cached_property
from typing import TYPE_CHECKING

from bot.voice_assembly import VoiceAssembly
from knowledge.documents import EVERYONE, PUBLIC, Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.assistant import Assistant
    from bot.attachments import AttachmentReader
    from bot.inbox import Inbox
    from bot.kept_vectors import KeptVectors
    from bot.manners import Manners
    from bot.memory import Memory
    from bot.metrics import Metrics
    from bot.rate_limits import QuestionLimits
    from bot.telemetry import Tracing
    from connectors.conversation import Place
    from connectors.log import Log
    from connectors.ports import Ports
    from connectors.presence import Presence


class Assembly(VoiceAssembly):
    """One running Lorebot. Parts are built when first asked for, so that a light command stays light."""

    def assistant(self, voice_at: Callable[[Place], str]) -> Assistant:
        """The engine; `voice_at` tells which adapter speaks in a place ("base" for none), and may block."""
        from bot.assistant import Assistant
        from bot.evidence import EvidenceSelector
        from bot.reading_material import EVIDENCE_OF_PASSAGES, best_sentences, whole_passages
        from bot.routing import Router
        from bot.speaking import AnswerLimits

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
