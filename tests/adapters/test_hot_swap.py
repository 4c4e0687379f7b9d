"""Voices swapped while questions are being answered: each answer is in one voice, the one it names."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.base_model import ModelLocation, PreparedBase, load_base
from adapters.decoding import AnswerText
from adapters.generation import GenerationRequest, Message
from adapters.local import LocalGenerator
from adapters.registry import AdapterRegistry

pytestmark = pytest.mark.slow

MakeAdapter = Callable[..., Path]
Plainly = Callable[..., list[int]]
Answers = Mapping[tuple[str, tuple[Message, ...]], str]

VERSIONS = ("1", "2", "3")
ASKERS = 8
NEW_TOKENS = 12
QUESTIONS = tuple(
    (Message("system", "You are the assistant of a shop."), Message("user", text))
    for text in ("Hi", "When do you open?", "Do you take back what I have opened? " * 4)
)


@dataclass(frozen=True)
class Shop:
    """A model and the registry in which its voice has three versions, with what each of them says alone."""

    location: ModelLocation
    cache: Path
    registry: AdapterRegistry
    alone: Answers

    def generator(self) -> LocalGenerator:
        """At most two of the three versions fit in memory, so that swapping also loads and drops them."""
        return LocalGenerator(self.location, self.registry, self.cache, 1, "float32", max_loaded=2)


@pytest.fixture(scope="module")
def small_model(prepared: PreparedBase, tmp_path_factory: pytest.TempPathFactory) -> ModelLocation:
    """Two random layers with the real tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    set_seed(1)
    folder = tmp_path_factory.mktemp("small")
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(
        **shape, num_key_value_heads=2, vocab_size=49152, tie_word_embeddings=True, initializer_range=0.3
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(prepared.folder / name, folder)
    return ModelLocation(folder, None, "small")


def open_shop(
    location: ModelLocation, cache: Path, folder: Path, make_adapter_for: MakeAdapter, plainly: Plainly
) -> Shop:
    """Install three versions and let PEFT and plain decoding say, one by one, what each answers."""
    from peft import PeftModel

    registry = AdapterRegistry(folder)
    base = load_base(location, cache, dtype="float32", threads=1)
    alone = {}
    for seed, version in enumerate(VERSIONS):
        made = make_adapter_for(base, "voice", version, seed=seed, strength=0.3)
        installed = registry.install(made, "voice", base.prepared)
        model = PeftModel.from_pretrained(base.model, installed.folder)
        for question in QUESTIONS:
            prompt = base.tokenizer.encode(question)
            answer = AnswerText(base.tokenizer.decoding(), ())
            tokens = plainly(model, prompt, NEW_TOKENS, base.tokenizer.ends)
            pieces = [answer.push(token) for token in tokens]
            alone[installed.version.hash, question] = "".join(pieces) + answer.finish()
        model.unload()
    assert len(set(alone.values())) == len(alone)
    return Shop(location, cache, registry, alone)


@dataclass(frozen=True)
class Answered:
    """What a question got: the version that it was to be answered by, and the text."""

    question: tuple[Message, ...]
    hash: str
    text: str


async def ask_while_swapping(shop: Shop, generator: LocalGenerator, swaps: int) -> Sequence[Answered]:
    """Eight askers ask on and on; after each answer, but never in step with them, the voice is swapped."""
    answers: list[Answered] = []
    active = VERSIONS[0]
    came = asyncio.Event()
    over = asyncio.Event()

    async def ask(asker: int) -> None:
        for question in itertools.cycle(QUESTIONS[asker % 3 :] + QUESTIONS[: asker % 3]):
            if over.is_set():
                return
            version = generator.resolve(f"voice@{active}")
            request = GenerationRequest(question, version.reference, NEW_TOKENS)
            text = "".join([piece async for piece in generator.stream(request)])
            answers.append(Answered(question, version.hash, text))
            came.set()

    async def swap() -> None:
        nonlocal active
        for version in itertools.islice(itertools.cycle(VERSIONS), 1, swaps + 1):
            active = version
            came.clear()
            await came.wait()
        over.set()

    async with asyncio.TaskGroup() as tasks:
        for asker in range(ASKERS):
            tasks.create_task(ask(asker))
        tasks.create_task(swap())
    return answers


@pytest.fixture(scope="module")
def small_shop(
    small_model: ModelLocation,
    tmp_path_factory: pytest.TempPathFactory,
    make_adapter_for: MakeAdapter,
    plainly: Plainly,
) -> Shop:
    cache, folder = tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("registry")
    return open_shop(small_model, cache, folder, make_adapter_for, plainly)


async def test_no_answer_fails_is_mixed_or_names_another_voice_in_200_swaps(small_shop: Shop) -> None:
    generator = small_shop.generator()
    answers = await ask_while_swapping(small_shop, generator, swaps=200)
    await generator.close()
    assert len(answers) >= 200
    assert {answered.hash for answered in answers} == {key[0] for key in small_shop.alone}
    assert [a for a in answers if a.text != small_shop.alone[a.hash, a.question]] == []


async def test_memory_comes_back_after_swaps(small_shop: Shop) -> None:
    generator = small_shop.generator()
    await ask_while_swapping(small_shop, generator, swaps=10)
    model = generator._worker.model
    assert model is not None
    async with asyncio.timeout(300):
        while len(model.adapters.loaded) > 2:
            await asyncio.sleep(0.01)
    assert {len(layer.pairs) for layer in model.adapters._layers.values()} == {2}
    assert generator.waiting == 0
    await generator.close()


async def test_a_question_in_flight_ends_in_the_voice_it_began_in(small_shop: Shop) -> None:
    generator = small_shop.generator()
    before, after = generator.resolve("voice@1"), generator.resolve("voice@2")
    stream = generator.stream(GenerationRequest(QUESTIONS[1], before.reference, NEW_TOKENS))
    text = await anext(stream)
    request = GenerationRequest(QUESTIONS[1], after.reference, NEW_TOKENS)
    other = "".join([piece async for piece in generator.stream(request)])
    text += "".join([piece async for piece in stream])
    await generator.close()
    assert (text, other) == tuple(small_shop.alone[v.hash, QUESTIONS[1]] for v in (before, after))


async def test_the_real_model_swaps_under_load_too(
    location: ModelLocation,
    cache_folder: Path,
    tmp_path: Path,
    make_adapter_for: MakeAdapter,
    plainly: Plainly,
) -> None:
    shop = open_shop(location, cache_folder, tmp_path, make_adapter_for, plainly)
    generator = shop.generator()
    answers = await ask_while_swapping(shop, generator, swaps=9)
    await generator.close()
    assert {answered.hash for answered in answers} == {key[0] for key in shop.alone}
    assert [a for a in answers if a.text != shop.alone[a.hash, a.question]] == []
