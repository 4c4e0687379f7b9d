"""The best examples of a voice, kept beside it for models that take no adapters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from adapters.dataset import DatasetError, Example, read_examples
from adapters.few_shot import SHOTS, evenly_chosen
from adapters.files import replace_file
from adapters.generation import Message
from adapters.lesson import Lesson
from adapters.manifest import AdapterError
from adapters.registry import AdapterRegistry, InstalledAdapter
from bot.lessons import lesson_of

EXAMPLES_FILE = "examples.jsonl"


def save_examples(folder: Path, training: Sequence[Example]) -> None:
    """Keep of the examples of a training those that a prompt with examples shows: a few of each kind."""
    kinds: dict[Message, list[Example]] = {}
    for example in training:
        kinds.setdefault(lesson_of(example).messages[0], []).append(example)
    shown = [example for kind in kinds.values() for example in evenly_chosen(kind, SHOTS)]
    lines = [
        json.dumps(
            {"question": one.question, "evidence": one.evidence, "answer": one.answer}, ensure_ascii=False
        )
        for one in shown
    ]
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / EXAMPLES_FILE, "\n".join(lines) + "\n")


def examples_of(registry: AdapterRegistry, adapter: InstalledAdapter) -> tuple[Lesson, ...]:
    """The examples of a voice as lessons. Raises `AdapterError` when there are none, or they are faulty."""
    for folder in (registry.evaluation_folder(adapter), adapter.folder):
        if (folder / EXAMPLES_FILE).is_file():
            try:
                return tuple(map(lesson_of, read_examples(folder / EXAMPLES_FILE)))
            except DatasetError as error:
                raise AdapterError(f"{folder / EXAMPLES_FILE} cannot be used: {error}") from error
    raise AdapterError(
        f"The model on the server takes no adapters, and {adapter.manifest.reference} has no examples to "
        f"show to it: put {EXAMPLES_FILE}, with some rows of its training, into "
        f"{registry.evaluation_folder(adapter)}."
    )
