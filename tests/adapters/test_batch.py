"""Answers written together are those written alone, and what their prompts share is read once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.base_model import LoadedBase, ModelLocation, PreparedBase, load_base
from adapters.batch import Batch, Row
from adapters.generation import Message
from adapters.lora import LoadedAdapters
from adapters.openings import Openings
from adapters.registry import AdapterRegistry, InstalledAdapter

pytestmark = pytest.mark.slow

MakeAdapter = Callable[..., Path]

NEW_TOKENS = 12
SYSTEM = Message("system", "You are the assistant of a small shop.")
TEXTS = (
    "Hi",
    "When do you open, and when do you close on a Sunday?",
    "Opened items go back within 30 days, with the receipt, to any of our 14 shops. " * 5,
)


class Bench:
    """A model with three voices, and everything that a batch of answers needs."""

    def __init__(self, base: LoadedBase, voices: Sequence[InstalledAdapter]) -> None:
        self.base = base
        self.voices = tuple(voices)
        self.openings = Openings(max_bytes=2**26)
        self.adapters = LoadedAdapters(base, max_loaded=4)
        for voice in voices:
            self.adapters.load(voice)
        self.batch = Batch(base, self.adapters, self.openings)
        self.runs: list[int] = []
        base.model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, _: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.runs.append(named["input_ids"].shape[1])

    def row(self, text: str, voice: InstalledAdapter | None = None, shared: int = 0) -> Row:
        prompt = self.base.tokenizer.encode((SYSTEM, Message("user", text)))
        adapter = "" if voice is None else voice.manifest.hash
        return Row(adapter, prompt, shared, NEW_TOKENS, frozenset())

    def write(self, *rows: Row) -> list[list[int]]:
        """Read all prompts, and write all rows to their ends together."""
        written: list[list[int]] = [[] for _ in rows]
        for row, tokens in zip(rows, written, strict=True):
            while row.unread:
                tokens += self.batch.read_prompt(row)
        while alive := [place for place, row in enumerate(rows) if not row.done]:
            new = self.batch.step([rows[place] for place in alive])
            for place, tokens in zip(alive, new, strict=True):
                written[place] += tokens
        return written


@pytest.fixture(scope="module")
def voices(
    make_adapter: MakeAdapter, prepared: PreparedBase, tmp_path_factory: pytest.TempPathFactory
) -> list[InstalledAdapter]:
    """Voices of different ranks on different layers."""
    registry = AdapterRegistry(tmp_path_factory.mktemp("voices"))
    shapes: tuple[dict[str, Any], ...] = (
        {},
        {"r": 4, "lora_alpha": 8, "use_rslora": True},
        {"r": 3, "target_modules": ["up_proj", "down_proj"]},
    )
    return [
        registry.install(make_adapter(f"v{seed}", seed=seed, lora=lora), f"v{seed}", prepared)
        for seed, lora in enumerate(shapes)
    ]


@pytest.fixture(scope="module")
def bench(location: ModelLocation, cache_folder: Path, voices: list[InstalledAdapter]) -> Bench:
    return Bench(load_base(location, cache_folder, "float32", threads=1), voices)


@pytest.fixture(scope="module")
def int8_bench(location: ModelLocation, cache_folder: Path, voices: list[InstalledAdapter]) -> Bench:
    return Bench(load_base(location, cache_folder, "int8", threads=1), voices)


@pytest.fixture
def runs(bench: Bench) -> Iterator[list[int]]:
    """How many tokens each run of the model has read; nothing is known of any prompt's beginning."""
    bench.openings._kept.clear()
    bench.runs.clear()
    yield bench.runs


# Together and alone


def test_answers_written_together_are_those_written_alone(bench: Bench) -> None:
    wanted = [*zip(TEXTS, bench.voices, strict=True), *((text, None) for text in TEXTS)]
    together = bench.write(*(bench.row(text, voice) for text, voice in wanted))
    assert together == [bench.write(bench.row(text, voice))[0] for text, voice in wanted]


def test_an_answer_is_that_of_plain_decoding_with_peft(
    location: ModelLocation, cache_folder: Path, bench: Bench, plainly: Callable[..., list[int]]
) -> None:
    from peft import PeftModel

    base = load_base(location, cache_folder, "float32", threads=1)
    for voice in bench.voices:
        model = PeftModel.from_pretrained(base.model, voice.folder)
        prompt = base.tokenizer.encode((SYSTEM, Message("user", TEXTS[1])))
        expected = plainly(model, prompt, NEW_TOKENS)
        assert bench.write(bench.row(TEXTS[1], voice)) == [expected]
        model.unload()


def test_a_model_with_a_sliding_window_sees_no_more_than_the_window(
    base: LoadedBase, plainly: Callable[..., list[int]]
) -> None:
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = MistralConfig(
        vocab_size=base.model.config.vocab_size, num_key_value_heads=2, sliding_window=8, **size
    )
    model = MistralForCausalLM(config).eval()
    torch.nn.init.normal_(model.lm_head.weight)
    prompt = base.tokenizer.encode((SYSTEM, Message("user", TEXTS[1])))
    expected = plainly(model, prompt, NEW_TOKENS)
    assert Bench(replace(base, model=model), ()).write(Row("", prompt, 0, NEW_TOKENS, frozenset())) == [
        expected
    ]


def test_a_newcomer_changes_no_answer_in_the_making(bench: Bench) -> None:
    first, newcomer = bench.row(TEXTS[2], bench.voices[0]), bench.row(TEXTS[0], bench.voices[1])
    written = [bench.batch.read_prompt(first), []]
    while not (first.done and newcomer.done):
        if len(written[0]) >= 3 and newcomer.unread:
            written[1] += bench.batch.read_prompt(newcomer)
        alive = [
            (row, tokens)
            for row, tokens in zip((first, newcomer), written, strict=True)
            if not row.done and not row.unread
        ]
        for (_, tokens), new in zip(alive, bench.batch.step([row for row, _ in alive]), strict=True):
            tokens += new
    alone = [bench.row(TEXTS[2], bench.voices[0]), bench.row(TEXTS[0], bench.voices[1])]
    assert written == [bench.write(row)[0] for row in alone]


def test_a_run_reads_no_more_than_the_answers_that_are_left_need(bench: Bench, runs: list[int]) -> None:
    short, long = bench.row("Hi"), bench.row("Hello there")
    while short.unread or long.unread:
        bench.batch.read_prompt(short if short.unread else long)
    short.draft = long.draft = lambda longest: []  # type: ignore[method-assign]
    runs.clear()
    bench.batch.step([short, long])
    bench.batch.step([long])
    assert runs == [2, 1]


# What prompts share


def opening_of(bench: Bench) -> int:
    """How many tokens any two prompts share."""
    first, second = bench.row("Hi").text, bench.row("When?").text
    return next(place for place, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1])


def test_what_prompts_share_is_read_once_for_each_voice(bench: Bench, runs: list[int]) -> None:
    shared = opening_of(bench)
    for voice in (None, bench.voices[0], None, bench.voices[0]):
        row = bench.row(TEXTS[1], voice, shared)
        while row.unread:
            bench.batch.read_prompt(row)
    rest = len(row.text) - 1 - shared
    assert runs == [shared, rest, shared, rest, rest, rest]


def test_an_answer_from_a_known_beginning_is_the_same(bench: Bench, runs: list[int]) -> None:
    shared = opening_of(bench)
    for text, voice in zip(TEXTS, (None, *bench.voices), strict=False):
        first, again = (bench.write(bench.row(text, voice, shared)) for _ in range(2))
        assert first == again == bench.write(bench.row(text, voice))


def test_what_is_kept_of_beginnings_stays_within_its_bounds(bench: Bench) -> None:
    one = bench.row(TEXTS[2], None, 40)
    while one.unread:
        bench.batch.read_prompt(one)
    each = bench.openings.bytes // len(bench.openings._kept)
    small = Openings(max_bytes=2 * each)
    batch = Batch(bench.base, bench.adapters, small)
    for start in ("One", "Two", "Three", "Four"):
        row = bench.row(f"{start} {TEXTS[2]}", None, 40)
        while row.unread:
            batch.read_prompt(row)
    assert 0 < small.bytes <= 2 * each


# Voices in memory


def test_a_voice_that_speaks_is_not_dropped_for_another(
    location: ModelLocation, cache_folder: Path, voices: list[InstalledAdapter]
) -> None:
    adapters = LoadedAdapters(load_base(location, cache_folder, "float32", threads=1), max_loaded=1)
    adapters.load(voices[0])
    adapters.load(voices[1], in_use={voices[0].manifest.hash})
    assert adapters.loaded == tuple(voice.manifest.hash for voice in voices[:2])
    adapters.load(voices[2])
    assert adapters.loaded == (voices[2].manifest.hash,)


# Integers


def test_a_token_in_int8_is_the_same_in_any_company() -> None:
    import torch

    from adapters.int8 import Int8Linear

    torch.manual_seed(1)
    layer = Int8Linear(torch.nn.Linear(96, 64))
    tokens = torch.randn(1, 40, 96) * torch.logspace(-3, 3, 40)[:, None]
    together = layer(tokens)
    assert all(torch.equal(layer(tokens[:, n : n + 1]), together[:, n : n + 1]) for n in range(40))


def test_an_int8_layer_is_near_the_layer_it_stands_for() -> None:
    import torch

    from adapters.int8 import Int8Linear

    torch.manual_seed(1)
    linear = torch.nn.Linear(256, 128)
    inputs = torch.randn(3, 5, 256)
    with torch.inference_mode():
        exact, rounded = linear(inputs), Int8Linear(linear)(inputs)
    assert rounded.shape == exact.shape
    assert float((rounded - exact).norm() / exact.norm()) < 0.02


def test_voices_speak_on_an_int8_model_and_make_room_on_it(bench: Bench, int8_bench: Bench) -> None:
    import torch

    prompt = torch.tensor([bench.row(TEXTS[1]).text])
    for voice in (None, *bench.voices):
        following = []
        for one in (bench, int8_bench):
            with one.adapters.speaking_as(voice) as model, torch.inference_mode():
                following.append(model(input_ids=prompt, logits_to_keep=1, use_cache=False).logits.flatten())
        assert float(torch.cosine_similarity(*following, dim=0)) > 0.98
    small = LoadedAdapters(int8_bench.base, max_loaded=1)
    for voice in bench.voices:
        small.load(voice)
    assert small.loaded == (bench.voices[-1].manifest.hash,)


def test_a_silent_token_stays_silent_in_int8() -> None:
    import torch

    from adapters.int8 import Int8Linear

    layer = Int8Linear(torch.nn.Linear(32, 16, bias=False))
    assert not layer(torch.zeros(1, 2, 32)).any()
