"""When the model on a server cannot begin, the local one answers, and says that it did."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.base_model import ModelLocation
from adapters.generation import AdapterVersion, GenerationError, GenerationRequest, Message
from adapters.local import LocalGenerator
from adapters.registry import AdapterRegistry
from adapters.remote.breaker import CircuitBreaker
from adapters.remote.budget import NoLimit
from adapters.remote.chat import ChatServer
from adapters.remote.endpoint import Endpoint
from adapters.remote.events import ServerEvent
from adapters.remote.failover import FailoverGenerator
from adapters.remote.generator import RemoteGenerator
from adapters.remote.voices import NoVoices
from tests.servers.model_server import BASE, ModelServer, breaking, refusing, serving

REQUEST = GenerationRequest((Message("user", "When?"),), max_new_tokens=4)


@pytest.fixture
async def local(tiny_model: Path, tmp_path: Path) -> AsyncIterator[LocalGenerator]:
    location = ModelLocation(tiny_model, None, "tiny")
    generator = LocalGenerator(location, AdapterRegistry(tmp_path), tmp_path / "models", 1, "float32")
    yield generator
    await generator.close()


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with serving(ModelServer()) as running:
        yield running


class Pair:
    """A model on a server and perhaps a local one, with what was told."""

    def __init__(self, server: ModelServer, local: LocalGenerator | None) -> None:
        self.events: list[ServerEvent] = []
        self.speakers: list[str] = []
        chat = ChatServer(Endpoint(server.url, BASE, retries=0), CircuitBreaker(), self.events.append)
        remote = RemoteGenerator(chat, NoVoices(BASE), self.events.append, NoLimit())
        self.generator = FailoverGenerator(remote, local, "base", self.events.append)

    async def heard(self) -> str:
        request = replace(REQUEST, on_speaker=self._be_told)
        try:
            return "".join([piece async for piece in self.generator.stream(request)])
        finally:
            await self.generator.close()

    def _be_told(self, model: str, version: AdapterVersion) -> None:
        self.speakers.append(f"{model} as {version.reference}")

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


async def test_while_the_server_answers_nobody_else_speaks(
    server: ModelServer, local: LocalGenerator
) -> None:
    pair = Pair(server, local)
    assert await pair.heard() == "The shop opens at 9 [1]."
    assert pair.speakers == []
    assert not local.ready


async def test_the_local_model_answers_and_is_named_when_the_server_cannot_begin(
    server: ModelServer, local: LocalGenerator
) -> None:
    server.behaviours.append(refusing(500, "broken"))
    pair = Pair(server, local)
    assert await pair.heard()
    assert pair.speakers == ["tiny as base"]
    assert pair.kinds == ["failed", "failed over"]


async def test_what_the_server_has_begun_is_not_taken_up_by_another(
    server: ModelServer, local: LocalGenerator
) -> None:
    server.behaviours.append(breaking("The shop "))
    pair = Pair(server, local)
    with pytest.raises(GenerationError):
        await pair.heard()
    assert pair.speakers == []


async def test_without_a_local_model_the_error_is_raised_and_told(server: ModelServer) -> None:
    server.behaviours.append(refusing(500, "broken"))
    pair = Pair(server, None)
    with pytest.raises(GenerationError, match="500: broken"):
        await pair.heard()
    assert pair.kinds == ["failed", "failed over"]
