"""A voice reaches the model's server under a name of its own, is probed before it speaks, and is drained."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import ClassVar

import pytest

from adapters.generation import BASE as NO_ADAPTER
from adapters.generation import GenerationError, GenerationRequest, Message
from adapters.manifest import AdapterError
from adapters.registry import AdapterRegistry
from adapters.remote.breaker import CircuitBreaker
from adapters.remote.budget import NoLimit
from adapters.remote.chat import ChatServer
from adapters.remote.endpoint import Endpoint
from adapters.remote.events import ServerEvent
from adapters.remote.generator import RemoteGenerator
from adapters.remote.llama_cpp import LlamaCppVoices
from adapters.remote.published import PublishedVoices
from adapters.remote.publishing import (
    LoadEndpoint,
    NamedVoices,
    Publisher,
    ResolverFolder,
    voice_name,
)
from tests.servers.model_server import BASE, ModelServer, breaking, hanging, serving

MakeVoice = Callable[..., Path]
PROMPT = (Message("user", "When does the shop open?"),)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ModelServer]:
    folder = tmp_path / "served"
    folder.mkdir()
    async with serving(ModelServer(folder=folder)) as running:
        yield running


@pytest.fixture(autouse=True)
async def nothing_left_open() -> AsyncIterator[None]:
    yield
    while Shop.made:
        await Shop.made.pop().generator.close()


class Shop:
    """A registry, and a generator whose server gets its voices by `publisher`."""

    made: ClassVar[list[Shop]] = []

    def __init__(self, registry: Path, server: ModelServer, publisher: Publisher, most: int = 8) -> None:
        self.now = 0.0
        self.events: list[ServerEvent] = []
        self.registry = AdapterRegistry(registry)
        chat = ChatServer(endpoint(server), CircuitBreaker(), self.events.append)
        voices = PublishedVoices(
            self.registry, chat, publisher, self.events.append, most, clock=lambda: self.now
        )
        self.generator = RemoteGenerator(chat, voices, self.events.append, NoLimit())
        self.made.append(self)

    async def say(self, adapter: str) -> str:
        return "".join([piece async for piece in self.generator.stream(GenerationRequest(PROMPT, adapter))])

    def name(self, reference: str) -> str:
        return voice_name(self.registry.resolve(reference).manifest.hash)

    def told(self, kind: str) -> list[str]:
        return [event.voice for event in self.events if event.kind == kind]


def endpoint(server: ModelServer) -> Endpoint:
    return Endpoint(server.url, BASE, None)


def in_folder(registry: Path, server: ModelServer, most: int = 8) -> Shop:
    assert server.folder is not None
    return Shop(registry, server, ResolverFolder(endpoint(server), server.folder), most)


async def test_a_voice_is_put_into_the_folder_under_its_hash_and_asked_by_that_name(
    server: ModelServer, tmp_path: Path, make_voice: MakeVoice
) -> None:
    make_voice(tmp_path / "adapters", "warm@1")
    shop = in_folder(tmp_path / "adapters", server)
    assert await shop.say("warm@1") == "The shop opens at 9 [1]."
    name = shop.name("warm@1")
    assert name == f"voice-{shop.registry.resolve('warm@1').manifest.hash[:32]}"
    assert server.streamed[-1]["model"] == name
    assert shop.told("published") == [name]
    assert server.folder is not None
    config = json.loads((server.folder / name / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == BASE


async def test_the_untouched_model_is_asked_by_its_own_name(
    server: ModelServer, tmp_path: Path, make_voice: MakeVoice
) -> None:
    shop = in_folder(tmp_path / "adapters", server)
    await shop.say(NO_ADAPTER)
    assert [request["model"] for request in server.asked] == [BASE]


async def test_a_voice_is_published_and_probed_once(
    server: ModelServer, tmp_path: Path, make_voice: MakeVoice
) -> None:
    make_voice(tmp_path / "adapters", "warm@1")
    shop = in_folder(tmp_path / "adapters", server)
    await asyncio.gather(*(shop.say("warm@1") for _ in range(5)))
    probes = [request for request in server.asked if request.get("logprobs")]
    assert len(probes) == 9
    assert len(server.streamed) == 5


@pytest.mark.parametrize("lie", ["applies_nothing", "answers_unknown_from_base"])
async def test_a_server_that_answers_from_the_base_is_caught(
    tmp_path: Path, make_voice: MakeVoice, lie: str
) -> None:
    make_voice(tmp_path / "adapters", "warm@1")
    async with serving(ModelServer(**{lie: True})) as server:
        shop = Shop(tmp_path / "adapters", server, NamedVoices(endpoint(server)))
        if lie == "applies_nothing":
            server.named.add(shop.name("warm@1"))
        with pytest.raises(AdapterError, match=r"answers as warm@1 .* exactly as the base model does"):
            await shop.say("warm@1")
        assert server.streamed == []
        assert shop.told("refused") == [shop.name("warm@1")]


async def test_a_refused_voice_is_not_probed_again_at_every_question(
    server: ModelServer, tmp_path: Path, make_voice: MakeVoice
) -> None:
    make_voice(tmp_path / "adapters", "warm@1")
    server.applies_nothing = True
    shop = in_folder(tmp_path / "adapters", server)
    for _ in range(3):
        with pytest.raises(AdapterError):
            await shop.say("warm@1")
    assert len(server.asked) == 9
    server.applies_nothing, shop.now = False, 61.0
    assert await shop.say("warm@1")


async def test_a_server_without_log_probabilities_gets_no_voices(
    server: ModelServer, tmp_path: Path, make_voice: MakeVoice
) -> None:
    make_voice(tmp_path / "adapters", "warm@1")
    server.tells_logprobs = False
    shop = in_folder(tmp_path / "adapters", server)
    with pytest.raises(GenerationError, match="tells no log-probabilities"):
        await shop.say("warm@1")


async def test_a_server_that_was_started_anew_is_told_its_voices_again(
    server: ModelServer, tmp_path: Path, make_voice: MakeVoice
) -> None:
    make_voice(tmp_path / "adapters", "warm@1")
    folder = server.folder
    assert folder is not None
    publisher = LoadEndpoint(endpoint(server), folder, "/seen", server.url, None)
    server.folder = None
    shop = Shop(tmp_path / "adapters", server, publisher)
    await shop.say("warm@1")
    server.loaded.clear()
    assert await shop.say("warm@1") == "The shop opens at 9 [1]."
    assert list(server.loaded) == [shop.name("warm@1")]


async def test_a_voice_that_stays_unknown_is_an_error_that_names_it(
    server: ModelServer, tmp_path: Path, make_voice: MakeVoice
) -> None:
    make_voice(tmp_path / "adapters", "warm@1")
    shop = Shop(tmp_path / "adapters", server, NamedVoices(endpoint(server)))
    with pytest.raises(GenerationError, match=r"404: The model `voice-\w{32}` does not exist"):
        await shop.say("warm@1")


async def test_the_endpoint_is_told_what_to_load_and_where_it_lies(
    server: ModelServer, tmp_path: Path, make_voice: MakeVoice
) -> None:
    make_voice(tmp_path / "adapters", "warm@1")
    assert server.folder is not None
    publisher = LoadEndpoint(endpoint(server), server.folder, "/mnt/voices/", server.url, "k")
    shop = Shop(tmp_path / "adapters", server, publisher)
    await shop.say("warm@1")
    name = shop.name("warm@1")
    assert server.managed == [("load_lora_adapter", {"lora_name": name, "lora_path": f"/mnt/voices/{name}"})]


async def test_nothing_is_loaded_by_a_public_address(
    server: ModelServer, tmp_path: Path, make_voice: MakeVoice
) -> None:
    make_voice(tmp_path / "adapters", "warm@1")
    assert server.folder is not None
    publisher = LoadEndpoint(endpoint(server), server.folder, "/seen", "http://8.8.8.8/v1", None)
    with pytest.raises(AdapterError, match="public address"):
        await Shop(tmp_path / "adapters", server, publisher).say("warm@1")


async def test_the_voice_not_used_for_longest_leaves_when_there_are_too_many(
    server: ModelServer, tmp_path: Path, make_voice: MakeVoice
) -> None:
    for name in ("warm@1", "warm@2", "cool@1"):
        make_voice(tmp_path / "adapters", name)
    shop = in_folder(tmp_path / "adapters", server, most=2)
    for moment, name in enumerate(("warm@1", "warm@2", "warm@1", "cool@1")):
        shop.now = float(moment)
        await shop.say(name)
    assert server.folder is not None
    left = sorted(path.name for path in server.folder.iterdir())
    assert left == sorted([shop.name("warm@1"), shop.name("cool@1")])
    assert shop.told("withdrawn") == [shop.name("warm@2")]


async def test_a_voice_that_speaks_is_not_taken_off_the_server(
    server: ModelServer, tmp_path: Path, make_voice: MakeVoice
) -> None:
    for name in ("warm@1", "warm@2"):
        make_voice(tmp_path / "adapters", name)
    shop = in_folder(tmp_path / "adapters", server, most=1)
    server.behaviours.append(hanging("Slowly, "))
    async with aclosing(shop.generator.stream(GenerationRequest(PROMPT, "warm@1"))) as pieces:
        await anext(pieces)
        shop.now = 1.0
        await shop.say("warm@2")
        assert shop.told("withdrawn") == []
    assert shop.told("withdrawn") == [shop.name("warm@1")]


async def test_changed_files_are_not_published(
    server: ModelServer, tmp_path: Path, make_voice: MakeVoice
) -> None:
    folder = make_voice(tmp_path / "adapters", "warm@1")
    (folder / "adapter_model.safetensors").write_bytes(b"other weights")
    shop = in_folder(tmp_path / "adapters", server)
    with pytest.raises(AdapterError, match="is not the file its manifest describes"):
        await shop.say("warm@1")
    assert server.folder is not None
    assert list(server.folder.iterdir()) == []


async def test_llama_cpp_is_told_the_strength_of_each_adapter(
    server: ModelServer, tmp_path: Path, make_voice: MakeVoice
) -> None:
    make_voice(tmp_path / "adapters", "warm@1")
    shop = Shop(tmp_path / "adapters", server, LlamaCppVoices(endpoint(server)))
    server.lora_files = ["/loras/other.gguf", f"/loras/{shop.name('warm@1')}.gguf"]
    await shop.say("warm@1")
    await shop.say(NO_ADAPTER)
    spoken, plain = server.streamed
    assert spoken["model"] == plain["model"] == BASE
    assert {entry["id"]: entry["scale"] for entry in spoken["lora"]} == {0: 0.0, 1: 1.0}
    assert {entry["id"]: entry["scale"] for entry in plain["lora"]} == {0: 0.0, 1: 0.0}
    assert spoken["cache_prompt"] is False


async def test_llama_cpp_without_the_adapter_says_how_to_make_it(
    server: ModelServer, tmp_path: Path, make_voice: MakeVoice
) -> None:
    make_voice(tmp_path / "adapters", "warm@1")
    shop = Shop(tmp_path / "adapters", server, LlamaCppVoices(endpoint(server)))
    with pytest.raises(AdapterError, match=r"convert .*warm/1 to voice-\w+\.gguf"):
        await shop.say("warm@1")


async def test_after_an_outage_a_voice_is_heard_anew(
    server: ModelServer, tmp_path: Path, make_voice: MakeVoice
) -> None:
    make_voice(tmp_path / "adapters", "warm@1")
    shop = in_folder(tmp_path / "adapters", server)
    await shop.say("warm@1")
    server.behaviours.append(breaking())
    await shop.say(NO_ADAPTER)
    server.applies_nothing = True
    with pytest.raises(AdapterError, match="exactly as the base model"):
        await shop.say("warm@1")
