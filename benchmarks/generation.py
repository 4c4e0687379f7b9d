"""How many tokens a second the bot's own generator writes, beside plain `generate` of transformers.

    python -m benchmarks.generation [--dtype int8] [--adapter FOLDER] [--questions 16] [--rounds 3]

The prompts are those that the engine builds for `examples/questions.jsonl` from `examples/documents`; the
voices are `--adapter`, which may be repeated, or else random ones of rank 16 on every linear layer. What is
compared takes turns within each round, and the ratios of a round are what counts: absolute times drift on
a machine that others use. Where `llama-cpp-python` is installed, llama.cpp writes with the same GGUF file.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from adapters.base_model import ModelLocation, PreparedBase, load_weights, prepare_base
from adapters.chat import ChatTokenizer
from adapters.files import sha256_file
from adapters.generation import BASE, GenerationRequest, Message
from adapters.local import LocalGenerator
from adapters.manifest import CONFIG_FILE, WEIGHTS_FILE, AdapterManifest, write_manifest
from adapters.registry import AdapterRegistry
from benchmarks.grounded_examples import put_all
from bot.evaluation import read_questions
from bot.evidence import shown
from bot.models import locate_model
from bot.prompt import grounded_prompt
from bot.settings import Settings

TOGETHER = 8
NEW_TOKENS = 40
RANDOM_VOICES = 4
EXAMPLES = Path(__file__).parent.parent / "examples"

Prompt = tuple[Message, ...]
Answers = list[str]


def main() -> None:
    """Print tokens a second, the medians of the rounds' ratios, and how many answers differ."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--dtype", choices=("float32", "bfloat16", "int8"), default="float32")
    options.add_argument("--adapter", type=Path, action="append", default=[])
    options.add_argument("--questions", type=int, default=2 * TOGETHER)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, default=2)
    chosen = options.parse_args()
    settings = Settings()
    model = locate_model("models.generation", settings.models.generation)
    location = ModelLocation(model.path.parent, model.path.name, model.name)
    base = prepare_base(location, settings.home / "models")
    tokenizer = ChatTokenizer.from_folder(base.folder)
    prompts = engine_prompts(chosen.questions)
    lengths = [len(tokenizer.encode(prompt)) for prompt in prompts]
    print(f"{len(prompts)} prompts of {min(lengths)} to {max(lengths)} tokens, {NEW_TOKENS} new at most")
    with tempfile.TemporaryDirectory() as scratch:
        registry = AdapterRegistry(Path(scratch, "registry"))
        folders = chosen.adapter or random_voices(base, Path(scratch))
        voices = [
            registry.install(folder, f"voice{place}", base).version.reference
            for place, folder in enumerate(folders)
        ]
        generator = LocalGenerator(
            location, registry, settings.home / "models", chosen.threads, chosen.dtype, max_loaded=TOGETHER
        )
        mixed = [[BASE, *voices][place % (len(voices) + 1)] for place in range(len(prompts))]
        ways: dict[str, Callable[[], Answers]] = {
            "transformers, float32, one": plain(base, folders[0], tokenizer, prompts),
        }
        ours = {
            "one at a time": ([voices[0]] * len(prompts), 1),
            "8 together": ([voices[0]] * len(prompts), TOGETHER),
            "mixed, one at a time": (mixed, 1),
            "mixed, 8 together": (mixed, TOGETHER),
        }
        with asyncio.Runner() as runner:
            for name, (speaking, together) in ours.items():
                ways[f"{chosen.dtype}, {name}"] = asking(runner, generator, prompts, speaking, together)
            if importlib.util.find_spec("llama_cpp"):
                ways["llama.cpp, base, one"] = llama(model.path, prompts, chosen.threads)
            compare(ways, tokenizer, chosen.rounds)
            runner.run(generator.close())


def compare(ways: dict[str, Callable[[], Answers]], tokenizer: ChatTokenizer, rounds: int) -> None:
    """Let each way answer once to warm up, then in turns; print a line for each."""
    said = {name: answer() for name, answer in ways.items()}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, answer in ways.items():
            began = time.perf_counter()
            texts = answer()
            seconds = time.perf_counter() - began
            rates[name].append(sum(len(tokenizer.encode_reply(text)) for text in texts) / seconds)
    first, one = list(ways)[:2]
    print(f"{'':30} tokens/s   to {first}   to {one}   answers unlike {first}")
    for name, rate in rates.items():
        ratios = [statistics.median(map(float.__truediv__, rate, rates[other])) for other in (first, one)]
        unlike = sum(a != b for a, b in zip(said[name], said[first], strict=True))
        print(
            f"{name:30} {statistics.median(rate):8.1f}   {ratios[0]:5.2f}x   {ratios[1]:5.2f}x   {unlike:3}"
        )


def engine_prompts(count: int) -> list[Prompt]:
    """The prompts that the engine builds for the first answerable example questions."""
    rows = [row for row in read_questions(EXAMPLES / "questions.jsonl") if row.answerable][:count]
    puts = put_all(EXAMPLES / "documents", rows)
    return [grounded_prompt(put.row.question, shown(put.evidence)) for put in puts]


def asking(
    runner: asyncio.Runner,
    generator: LocalGenerator,
    prompts: Sequence[Prompt],
    voices: Sequence[str],
    together: int,
) -> Callable[[], Answers]:
    """Ask the bot's generator, `together` askers at once, each of whom asks on when it has its answer."""

    async def one(prompt: Prompt, voice: str) -> str:
        request = GenerationRequest(prompt, voice, NEW_TOKENS)
        return "".join([piece async for piece in generator.stream(request)])

    async def all_of_them() -> Answers:
        places = asyncio.Semaphore(together)

        async def wait_for_place(prompt: Prompt, voice: str) -> str:
            async with places:
                return await one(prompt, voice)

        return await asyncio.gather(*map(wait_for_place, prompts, voices))

    return lambda: runner.run(all_of_them())


def plain(
    base: PreparedBase, folder: Path, tokenizer: ChatTokenizer, prompts: Sequence[Prompt]
) -> Callable[[], Answers]:
    """`generate` with the adapter through PEFT, as their documentation shows it."""
    from peft import PeftModel

    model = PeftModel.from_pretrained(load_weights(base, torch.float32), folder)

    def answer(prompt: Prompt) -> str:
        ids = tokenizer.encode(prompt)
        output = model.generate(input_ids=torch.tensor([ids]), do_sample=False, max_new_tokens=NEW_TOKENS)
        decoder = tokenizer.decoding()
        new = output[0, len(ids) :].tolist()
        return "".join(decoder.push(token) for token in new if token not in tokenizer.ends)

    return lambda: [answer(prompt) for prompt in prompts]


def llama(path: Path, prompts: Sequence[Prompt], threads: int) -> Callable[[], Answers]:
    """llama.cpp with the model's own file, greedy."""
    from llama_cpp import Llama

    model = Llama(str(path), n_ctx=2048, n_threads=threads, verbose=False)

    def answer(prompt: Prompt) -> str:
        messages: Any = [{"role": message.role, "content": message.content} for message in prompt]
        reply: Any = model.create_chat_completion(messages, max_tokens=NEW_TOKENS, temperature=0.0)
        return str(reply["choices"][0]["message"]["content"])

    return lambda: [answer(prompt) for prompt in prompts]


def random_voices(base: PreparedBase, scratch: Path) -> list[Path]:
    """Adapters with an effect that is real and small, in folders as training leaves them."""
    from peft import LoraConfig, get_peft_model

    folders = []
    for seed in range(RANDOM_VOICES):
        torch.manual_seed(seed)
        folder = scratch / f"random{seed}"
        config = LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear")
        model = get_peft_model(load_weights(base, torch.float32), config)
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weights, std=0.002)
        model.save_pretrained(folder)
        manifest = AdapterManifest(
            name="random",
            version="1",
            base_model=base.name,
            base_sha256=base.weights_sha256,
            chat_template_sha256=base.chat_template_sha256,
            weights_sha256=sha256_file(folder / WEIGHTS_FILE),
            config_sha256=sha256_file(folder / CONFIG_FILE),
            created_at=datetime.now(UTC),
            created_by="benchmark",
        )
        write_manifest(folder, manifest)
        folders.append(folder)
    return folders


if __name__ == "__main__":
    main()
