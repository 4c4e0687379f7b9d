"""How a voice reaches a server that has no adapters of ours: not at all, or as examples in the prompt."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from adapters.few_shot import few_shot
from adapters.generation import BASE, AdapterVersion, GenerationError, Message
from adapters.lesson import Lesson
from adapters.registry import AdapterRegistry, InstalledAdapter


@dataclass(frozen=True, slots=True)
class Spoken:
    """What to ask a server so that a voice answers: the name of a model there, and further fields."""

    model: str
    messages: tuple[Message, ...]
    extra: Mapping[str, object] = field(default_factory=dict)


class VoicePath(Protocol):
    """The way on which adapters reach one server."""

    def resolve(self, adapter: str) -> AdapterVersion:
        """The version that `adapter` names now. Raises `GenerationError` when it cannot speak there."""
        ...

    def speaking(self, adapter: str, messages: tuple[Message, ...]) -> AbstractAsyncContextManager[Spoken]:
        """What to ask for an answer; the voice stays on the server for as long as the context lasts."""
        ...

    def forget(self, adapter: str) -> bool:
        """Note that the server does not know the voice any more; false when it need not have known it."""
        ...


class NoVoices:
    """The untouched model alone."""

    def __init__(self, model: str) -> None:
        self._model = model

    def resolve(self, adapter: str) -> AdapterVersion:
        """See `VoicePath.resolve`."""
        if adapter != BASE:
            raise GenerationError(f"{self._model} has no adapter {adapter!r}; use {BASE}.")
        return AdapterVersion(BASE, "", "")

    @asynccontextmanager
    async def speaking(self, adapter: str, messages: tuple[Message, ...]) -> AsyncIterator[Spoken]:
        """See `VoicePath.speaking`."""
        self.resolve(adapter)
        yield Spoken(self._model, messages)

    def forget(self, adapter: str) -> bool:
        """See `VoicePath.forget`."""
        return False


class ExampleVoices:
    """A voice as its best examples, shown to a model that takes no adapters.

    `examples` gives those of an adapter, and raises `AdapterError` where none are known.
    """

    def __init__(
        self,
        model: str,
        registry: AdapterRegistry,
        examples: Callable[[InstalledAdapter], Sequence[Lesson]],
    ) -> None:
        self._model = model
        self._registry = registry
        self._examples = examples

    def resolve(self, adapter: str) -> AdapterVersion:
        """The version with the hash of its examples, for no weights speak. Raises `AdapterError`."""
        if adapter == BASE:
            return AdapterVersion(BASE, "", "")
        installed = self._registry.resolve(adapter)
        known = installed.version
        return AdapterVersion(known.name, known.version, _digest(self._examples(installed)), known.colour)

    @asynccontextmanager
    async def speaking(self, adapter: str, messages: tuple[Message, ...]) -> AsyncIterator[Spoken]:
        """See `VoicePath.speaking`."""
        if adapter != BASE:
            installed = await asyncio.to_thread(self._registry.resolve, adapter)
            lessons = await asyncio.to_thread(self._examples, installed)
            messages = few_shot(messages, _of_kind(messages[0], lessons))
        yield Spoken(self._model, messages)

    def forget(self, adapter: str) -> bool:
        """See `VoicePath.forget`."""
        return False


def _of_kind(system: Message, lessons: Sequence[Lesson]) -> Sequence[Lesson]:
    """The lessons of a prompt's kind; without any, all others as if they were: they show the manner."""
    kind = [lesson for lesson in lessons if lesson.messages[0] == system]
    return kind or [replace(lesson, messages=(system, *lesson.messages[1:])) for lesson in lessons]


def _digest(lessons: Sequence[Lesson]) -> str:
    """The SHA-256 of the examples' content in their order."""
    hashed = hashlib.sha256()
    for lesson in lessons:
        for message in lesson.messages:
            hashed.update(f"{message.role}: {message.content}\n".encode())
        hashed.update(f"{lesson.reply}\n".encode())
    return hashed.hexdigest()
