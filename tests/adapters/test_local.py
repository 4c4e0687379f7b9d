"""Answers from the model in this process: one worker, many voices, no mixing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.base_model import LoadedBase, ModelLocation, PreparedBase, load_base
from adapters.generation import (
    AdapterVersion,
    GenerationError,
    GenerationRequest,
    GeneratorBusyError,
    Message,
)
from adapters.local import LocalGenerator
from adapters.lora import LoadedAdapters
from adapters.manifest import WEIGHTS_FILE, AdapterError
from adapters.registry import AdapterRegistry

MakeAdapter = Callable[..., Path]
MakeGenerator = Callable[..., LocalGenerator]

NEW_TOKENS = 16
QUESTION = (
    Message("system", "You are the assistant of a small shop."),
    Message("user", "Tell me about your opening hours and what you sell."),
)


def asking(adapter: str = "base", **fields: Any) -> GenerationRequest:
    return GenerationRequest(QUESTION, adapter=adapter, **{"max_new_tokens": NEW_TOKENS, **fields})


async def text_of(generator: LocalGenerator, request: GenerationRequest) -> str:
    return "".join([piece async for piece in generator.stream(request)])


@pytest.fixture(scope="module")
def registry(
    tmp_path_factory: pytest.TempPathFactory, make_adapter: MakeAdapter, prepared: PreparedBase
) -> AdapterRegistry:
    """Four voices; `brand` and `brand_v2` share the beginning of their names."""
    registry = AdapterRegistry(tmp_path_factory.mktemp("registry"))
    for seed, name in enumerate(("brand", "brand_v2", "friendly", "formal")):
        registry.install(make_adapter(name, seed=seed), name, prepared)
    return registry


@pytest.fixture(scope="module")
def expected(location: ModelLocation, cache_folder: Path, registry: AdapterRegistry) -> dict[str, str]:
    """What each voice says alone: loaded by PEFT onto a model of its own, written by transformers."""
    import torch
    from peft import PeftModel

    texts = {}
    for name in ("base", "brand", "brand_v2", "friendly", "formal"):
        base = load_base(location, cache_folder, dtype="float32", threads=1)
        model = base.model
        if name != "base":
            model = PeftModel.from_pretrained(model, registry.resolve(name).folder, torch_device="cpu")
        prompt = base.tokenizer.encode(QUESTION)
        output = model.generate(input_ids=torch.tensor([prompt]), do_sample=False, max_new_tokens=NEW_TOKENS)
        ids = [token for token in output[0, len(prompt) :].tolist() if token not in base.tokenizer.ends]
        texts[name] = base.tokenizer._tokenizer.decode(ids, skip_special_tokens=False)
    assert len(set(texts.values())) == len(texts)
    return texts


@pytest.fixture
async def make_generator(
    location: ModelLocation, cache_folder: Path, registry: AdapterRegistry
) -> AsyncIterator[MakeGenerator]:
    made: list[LocalGenerator] = []

    def make(**fields: Any) -> LocalGenerator:
        settings = {"registry": registry, "threads": 1, "dtype": "float32", **fields}
        made.append(LocalGenerator(location, cache_folder=cache_folder, **settings))
        return made[-1]

    yield make
    for generator in made:
        await generator.close()


# Voices


@pytest.mark.slow
async def test_requests_that_come_together_each_get_their_own_voice(
    make_generator: MakeGenerator, expected: dict[str, str]
) -> None:
    generator = make_generator()
    names = ["friendly", "formal", "base", "friendly", "brand", "formal", "base", "brand_v2"]
    texts = await asyncio.gather(*(text_of(generator, asking(name)) for name in names))
    assert texts == [expected[name] for name in names]


@pytest.mark.slow
async def test_voices_that_make_room_for_each_other_stay_themselves(
    make_generator: MakeGenerator, expected: dict[str, str]
) -> None:
    generator = make_generator(max_loaded=1)
    for name in ("brand", "brand_v2", "brand", "base", "formal", "brand"):
        assert await text_of(generator, asking(name)) == expected[name]


@pytest.mark.slow
async def test_a_new_version_with_another_scaling_is_heard_at_once(
    make_generator: MakeGenerator,
    make_adapter: MakeAdapter,
    prepared: PreparedBase,
    tmp_path: Path,
) -> None:
    registry = AdapterRegistry(tmp_path)
    generator = make_generator(registry=registry)
    registry.install(make_adapter(version="1"), "friendly", prepared)
    before = await text_of(generator, asking("friendly"))
    louder = make_adapter(version="2", lora={"lora_alpha": 64})
    registry.install(louder, "friendly", prepared)
    assert await text_of(generator, asking("friendly")) != before
    assert await text_of(generator, asking("friendly@1")) == before


@pytest.mark.slow
async def test_resolving_shows_the_version_that_will_speak(
    make_generator: MakeGenerator, registry: AdapterRegistry
) -> None:
    generator = make_generator()
    assert generator.resolve("friendly") == registry.resolve("friendly@1").version
    assert generator.resolve("base") == AdapterVersion("base", "", "")
    assert generator.model == "SmolLM2-135M-Instruct"


async def test_an_unknown_voice_is_an_error_and_never_the_base(
    make_generator_without_model: LocalGenerator,
) -> None:
    with pytest.raises(GenerationError, match="no adapter 'friendly'"):
        await text_of(make_generator_without_model, asking("friendly"))


@pytest.mark.slow
async def test_an_adapter_that_was_damaged_on_disk_fails_alone(
    make_generator: MakeGenerator,
    make_adapter: MakeAdapter,
    prepared: PreparedBase,
    expected: dict[str, str],
    tmp_path: Path,
) -> None:
    registry = AdapterRegistry(tmp_path)
    installed = registry.install(make_adapter(), "friendly", prepared)
    with (installed.folder / WEIGHTS_FILE).open("ab") as file:
        file.write(b"x")
    generator = make_generator(registry=registry)
    with pytest.raises(GenerationError, match="is not the file its manifest describes"):
        await text_of(generator, asking("friendly"))
    assert await text_of(generator, asking("base")) == expected["base"]


@pytest.mark.slow
@pytest.mark.parametrize("others", [0, 1])
def test_an_adapter_without_effect_is_refused_and_leaves_the_base_as_it_was(
    location: ModelLocation,
    cache_folder: Path,
    make_adapter: MakeAdapter,
    registry: AdapterRegistry,
    prepared: PreparedBase,
    tmp_path: Path,
    others: int,
) -> None:
    import torch

    base = load_base(location, cache_folder, dtype="float32", threads=1)
    prompt = torch.tensor([base.tokenizer.encode(QUESTION)])
    before = base.model(prompt).logits
    adapters = LoadedAdapters(base, max_loaded=2)
    for adapter in registry.list()[:others]:
        with adapters.speaking_as(adapter):
            pass
    mute = AdapterRegistry(tmp_path).install(make_adapter("mute", strength=1e-30), "mute", prepared)
    with pytest.raises(AdapterError, match="mute@1 has no effect"), adapters.speaking_as(mute):
        pass
    with adapters.speaking_as(None) as model:
        assert torch.equal(model(input_ids=prompt).logits, before)


@pytest.mark.slow
def test_the_adapter_used_longest_ago_makes_room(
    location: ModelLocation, cache_folder: Path, registry: AdapterRegistry
) -> None:
    adapters = LoadedAdapters(load_base(location, cache_folder, dtype="float32", threads=1), max_loaded=2)
    for name in ("brand", "formal", "brand", "friendly"):
        adapters.load(registry.resolve(name))
    assert adapters.loaded == tuple(registry.resolve(name).manifest.hash for name in ("brand", "friendly"))


@pytest.mark.slow
def test_adapters_keep_the_precision_of_a_bfloat16_base(
    location: ModelLocation, cache_folder: Path, registry: AdapterRegistry
) -> None:
    import torch

    adapters = LoadedAdapters(load_base(location, cache_folder, dtype="bfloat16", threads=1), max_loaded=2)
    with adapters.speaking_as(registry.resolve("brand")) as model:
        assert {weights.dtype for weights in model.parameters()} == {torch.bfloat16}


@pytest.mark.slow
def test_no_weight_of_a_loaded_voice_can_be_trained(
    location: ModelLocation, cache_folder: Path, registry: AdapterRegistry
) -> None:
    adapters = LoadedAdapters(load_base(location, cache_folder, dtype="float32", threads=1), max_loaded=2)
    for name in ("brand", "formal", "brand"):
        with adapters.speaking_as(registry.resolve(name)) as model:
            assert not [key for key, weights in model.named_parameters() if weights.requires_grad]


# Streaming


async def count_runs(generator: LocalGenerator) -> list[None]:
    """A list that grows by one with each run of the model."""
    await generator.start()
    runs: list[None] = []
    base = generator._worker.model.base
    base.model.register_forward_hook(lambda *_: runs.append(None))
    return runs


@pytest.mark.slow
async def test_an_answer_comes_in_pieces(make_generator: MakeGenerator, expected: dict[str, str]) -> None:
    pieces = [piece async for piece in make_generator().stream(asking("friendly"))]
    assert len(pieces) > 3
    assert "".join(pieces) == expected["friendly"]


@pytest.mark.slow
async def test_an_answer_ends_before_its_stop_string(
    make_generator: MakeGenerator, expected: dict[str, str]
) -> None:
    stop = expected["base"].split()[4]
    text = await text_of(make_generator(), asking(stop=(stop,)))
    assert text == expected["base"][: expected["base"].index(stop)]


@pytest.mark.slow
async def test_an_abandoned_answer_lets_the_next_one_begin(
    make_generator: MakeGenerator, expected: dict[str, str]
) -> None:
    generator = make_generator()
    runs = await count_runs(generator)
    stream = generator.stream(asking("friendly", max_new_tokens=200))
    await anext(stream)
    await stream.aclose()
    assert await text_of(generator, asking("formal")) == expected["formal"]
    assert len(runs) < 100


@pytest.mark.slow
async def test_a_cancelled_task_lets_the_next_answer_begin(
    make_generator: MakeGenerator, expected: dict[str, str]
) -> None:
    generator = make_generator()
    runs = await count_runs(generator)
    begun = asyncio.Event()

    async def listen() -> None:
        async for _ in generator.stream(asking("friendly", max_new_tokens=200)):
            begun.set()

    task = asyncio.create_task(listen())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await text_of(generator, asking("formal")) == expected["formal"]
    assert len(runs) < 100


@pytest.mark.slow
async def test_a_prompt_that_is_too_long_names_the_limit(make_generator: MakeGenerator) -> None:
    request = GenerationRequest((Message("user", "word " * 9000),))
    with pytest.raises(GenerationError, match=r"reads 8,192 at most"):
        await text_of(make_generator(), request)


@pytest.mark.slow
async def test_counted_tokens_are_those_of_the_prompt(
    make_generator: MakeGenerator, base: LoadedBase
) -> None:
    assert make_generator().count_tokens(QUESTION) == len(base.tokenizer.encode(QUESTION))


# Faults


@pytest.mark.slow
async def test_a_failure_in_one_request_does_not_reach_the_next(
    make_generator: MakeGenerator, expected: dict[str, str]
) -> None:
    generator = make_generator()
    broken = GenerationRequest((Message("user", None),))  # type: ignore[arg-type]
    with pytest.raises(GenerationError, match="The model failed"):
        await text_of(generator, broken)
    assert await text_of(generator, asking("friendly")) == expected["friendly"]


@pytest.mark.slow
async def test_a_request_that_finds_no_place_is_told_to_come_back(make_generator: MakeGenerator) -> None:
    generator = make_generator(max_waiting=1)
    stream = generator.stream(asking(max_new_tokens=8000))
    await anext(stream)
    with pytest.raises(GeneratorBusyError, match="busy: yours would be question number 2"):
        await text_of(generator, asking())


@pytest.mark.slow
async def test_a_newcomer_does_not_wait_for_the_end_of_a_long_answer(
    make_generator: MakeGenerator, expected: dict[str, str]
) -> None:
    generator = make_generator()
    long = generator.stream(asking(max_new_tokens=8000))
    await anext(long)
    assert await text_of(generator, asking("formal")) == expected["formal"]
    assert generator.waiting == 1


@pytest.mark.slow
async def test_whoever_comes_next_can_be_told_their_number(make_generator: MakeGenerator) -> None:
    generator = make_generator(max_together=1)
    assert generator.waiting == 0
    streams = [generator.stream(asking(max_new_tokens=8000)) for _ in range(3)]
    asked = [asyncio.create_task(anext(stream)) for stream in streams]  # type: ignore[arg-type]
    await asked[0]
    await until(lambda: generator.waiting == 3)
    for task in asked[1:]:
        task.cancel()
    await until(lambda: generator.waiting == 1)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(300):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_a_request_for_an_exact_version_is_answered_by_it_when_a_newer_one_came(
    make_generator: MakeGenerator,
    make_adapter: MakeAdapter,
    prepared: PreparedBase,
    expected: dict[str, str],
    tmp_path: Path,
) -> None:
    registry = AdapterRegistry(tmp_path)
    registry.install(make_adapter("brand", "1", seed=0), "brand", prepared)
    generator = make_generator(registry=registry)
    version = generator.resolve("brand")
    registry.install(make_adapter("brand", "2", seed=9), "brand", prepared)
    assert await text_of(generator, asking(version.reference)) == expected["brand"]


async def test_the_reference_of_the_untouched_model_is_its_name() -> None:
    assert AdapterVersion("base", "", "").reference == "base"


@pytest.mark.slow
async def test_closing_ends_what_is_running_and_what_waits(make_generator: MakeGenerator) -> None:
    generator = make_generator()
    running = generator.stream(asking(max_new_tokens=8000))
    await anext(running)
    waiting = asyncio.create_task(text_of(generator, asking()))
    await asyncio.sleep(0.1)
    await generator.close()
    for ended in (waiting, _rest(running)):
        with pytest.raises(GenerationError, match="closed"):
            await ended


async def _rest(stream: AsyncIterator[str]) -> None:
    async for _ in stream:
        pass


@pytest.fixture
async def make_generator_without_model(tmp_path: Path) -> AsyncIterator[LocalGenerator]:
    location = ModelLocation(tmp_path, "missing.gguf", "missing")
    generator = LocalGenerator(
        location, AdapterRegistry(tmp_path / "registry"), tmp_path / "cache", threads=1
    )
    yield generator
    await generator.close()


async def test_a_model_that_cannot_be_loaded_fails_every_request_that_waits(
    make_generator_without_model: LocalGenerator,
) -> None:
    generator = make_generator_without_model
    results = await asyncio.gather(
        generator.start(), *(text_of(generator, asking()) for _ in range(3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [GenerationError] * 4
    assert all("no model file" in str(result) for result in results)


async def test_a_closed_generator_says_so(make_generator_without_model: LocalGenerator) -> None:
    await make_generator_without_model.close()
    with pytest.raises(GenerationError, match="closed"):
        await text_of(make_generator_without_model, asking())


def test_importing_the_generator_imports_no_model_library() -> None:
    code = (
        "import sys; import adapters.local, adapters.registry\n"
        "heavy = {'torch', 'transformers', 'peft', 'tokenizers', 'safetensors'}\n"
        "sys.exit(' '.join(heavy & sys.modules.keys()))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr.strip() == ""


@pytest.mark.slow
def test_the_event_loop_never_imports_or_runs_the_model(
    location: ModelLocation, cache_folder: Path, prepared: PreparedBase, tmp_path: Path
) -> None:
    code = """
import asyncio, sys, threading
from pathlib import Path
from adapters.base_model import ModelLocation
from adapters.generation import GenerationRequest, Message
from adapters.local import LocalGenerator
from adapters.registry import AdapterRegistry

importers = {}
def watch(event, arguments):
    if event == "import":
        importers.setdefault(arguments[0], threading.current_thread().name)
sys.addaudithook(watch)

async def main():
    folder, file, cache, registry = sys.argv[1:]
    location = ModelLocation(Path(folder), file, "m")
    generator = LocalGenerator(location, AdapterRegistry(Path(registry)), Path(cache), 1, dtype="float32")
    messages = (Message("user", "Hi"),)
    generator.resolve("base"), generator.model, generator.count_tokens(messages)
    assert "torch" not in importers, importers["torch"]
    async for _ in generator.stream(GenerationRequest(messages, max_new_tokens=2)):
        pass
    await generator.close()
    print({importers[name].split("_")[0] for name in ("torch", "transformers")})

asyncio.run(main())
"""
    # The cache is keyed by the model's name, which is another here: link the converted model under it.
    alias = cache_folder / prepared.folder.name.replace("SmolLM2-135M-Instruct", "m")
    if not alias.exists():
        alias.symlink_to(prepared.folder)
    arguments = [str(location.folder), str(location.gguf_file), str(cache_folder), str(tmp_path)]
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == "{'lorebot-model'}", result.stderr
