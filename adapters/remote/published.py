"""Voices that a server knows: published when they are first needed, probed, drained and withdrawn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from adapters.generation import BASE, AdapterVersion, GenerationError, Message
from adapters.manifest import AdapterError
from adapters.registry import AdapterRegistry, InstalledAdapter
from adapters.remote.chat import ChatServer
from adapters.remote.events import Listener, ServerEvent
from adapters.remote.probe import probe
from adapters.remote.publishing import Publisher, Served, voice_name
from adapters.remote.voices import Spoken

# A server may be started anew unseen, so what it knows is looked at again after so long.
_KEPT_SECONDS = 600.0
_REFUSED_SECONDS = 60.0


@dataclass(slots=True)
class _Publication:
    """One voice on the server; `users` are the answers that it is speaking."""

    served: Served
    until: float
    outages: int
    used: float
    users: int = 0


class PublishedVoices:
    """Adapters on a server, each under a name made of its hash, so that a name never changes its meaning.

    Which adapter speaks in a place is decided outside; a request names an exact version, so a new voice is on
    the server and probed before its first word, while answers under way end in the old one. More than `most`
    are not kept there: the one that was not used for longest is withdrawn when it speaks no more.
    """

    def __init__(
        self,
        registry: AdapterRegistry,
        server: ChatServer,
        publisher: Publisher,
        listener: Listener,
        most: int = 8,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._server = server
        self._publisher = publisher
        self._listener = listener
        self._most = most
        self._clock = clock
        self._published: dict[str, _Publication] = {}
        self._refused: dict[str, tuple[str, float]] = {}
        self._publishing = asyncio.Lock()

    def resolve(self, adapter: str) -> AdapterVersion:
        """See `VoicePath.resolve`."""
        return self._registry.speaker(adapter)

    @asynccontextmanager
    async def speaking(self, adapter: str, messages: tuple[Message, ...]) -> AsyncIterator[Spoken]:
        """See `VoicePath.speaking`. Raises `AdapterError` when the server does not take the voice."""
        if adapter == BASE:
            served = await self._publisher.base()
            yield Spoken(served.model, messages, served.extra)
            return
        installed = await asyncio.to_thread(self._registry.resolve, adapter)
        publication = self._known(voice_name(installed.manifest.hash))
        if publication is None:
            async with self._publishing:
                publication = await self._current(installed)
        publication.users += 1
        publication.used = self._clock()
        try:
            yield Spoken(publication.served.model, messages, publication.served.extra)
        finally:
            publication.users -= 1
            await self._withdraw_unused()

    def forget(self, adapter: str) -> bool:
        """See `VoicePath.forget`."""
        if adapter == BASE:
            return False
        name = voice_name(self._registry.resolve(adapter).manifest.hash)
        return self._published.pop(name, None) is not None

    def _known(self, name: str) -> _Publication | None:
        """A voice that the server is known to have."""
        known = self._published.get(name)
        if known and self._clock() < known.until and known.outages == self._server.outages:
            return known
        return None

    async def _current(self, installed: InstalledAdapter) -> _Publication:
        """The voice as the server has it; published and probed when it is not known to have it."""
        name = voice_name(installed.manifest.hash)
        if fresh := self._known(name):  # another request has published it while this one waited
            return fresh
        known = self._published.get(name)
        message, until = self._refused.get(name, ("", 0.0))
        if self._clock() < until:
            raise AdapterError(message)
        outages = self._server.outages
        try:
            served = await self._publish(installed, name)
        except AdapterError as error:
            self._refused[name] = (str(error), self._clock() + _REFUSED_SECONDS)
            self._published.pop(name, None)
            self._listener(ServerEvent("refused", self._server.endpoint.model, str(error), name))
            raise
        now = self._clock()
        if known is None:
            self._listener(ServerEvent("published", self._server.endpoint.model, voice=name))
            known = self._published[name] = _Publication(served, 0.0, 0, now)
        known.served, known.until, known.outages = served, now + _KEPT_SECONDS, outages
        return known

    async def _publish(self, installed: InstalledAdapter, name: str) -> Served:
        served = await self._publisher.publish(installed, name)
        base = await self._publisher.base()
        await probe(
            self._server,
            Spoken(base.model, (), base.extra),
            Spoken(served.model, (), served.extra),
            f"{installed.manifest.reference} ({name})",
        )
        return served

    async def _withdraw_unused(self) -> None:
        """Take the voices beyond the most off the server, oldest first; not while they speak."""
        if len(self._published) <= self._most:
            return
        async with self._publishing:
            await self._withdraw_oldest()

    async def _withdraw_oldest(self) -> None:
        by_age = sorted(self._published, key=lambda name: self._published[name].used)
        for name in by_age[: max(0, len(by_age) - self._most)]:
            if self._published[name].users:
                continue
            del self._published[name]
            try:
                await self._publisher.withdraw(name)
                reason = ""
            except (GenerationError, OSError) as error:
                reason = str(error)
            self._listener(ServerEvent("withdrawn", self._server.endpoint.model, reason, name))
