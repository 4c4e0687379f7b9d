"""Two adapters asked the same questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.assembly import Assembly
from bot.evaluation import QuestionRow, measure
from bot.trial import run_trials
from connectors.conversation import EVERYONE, PUBLIC
from connectors.terminal import collect_answer, terminal_question


@dataclass(frozen=True, slots=True)
class ComparedAnswers:
    """What each adapter answered to one question, in the order of `Comparison.names`."""

    question: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two adapters side by side; `metrics` are the engine's figures of each, none without a trial."""

    names: tuple[str, ...]
    metrics: tuple[tuple[str, tuple[float | int | None, ...]], ...]
    rows: tuple[ComparedAnswers, ...]


def compare_on_trial(
    assembly: Assembly,
    adapters: Sequence[str],
    rows: Sequence[QuestionRow],
    docs: Path,
    on_question: Callable[[], None],
) -> Comparison:
    """Ask every adapter all rows about the documents in a folder, indexed in a scratch home.

    Blocks for minutes; not on an event loop. Raises `EvaluationError` and `GenerationError`.
    """
    names = _exact(assembly, adapters)
    outcomes = run_trials(assembly.settings, docs, rows, names, on_question)
    metrics = [measure(each) for each in outcomes]
    return Comparison(
        names,
        tuple(
            (name, tuple(each[name] for each in metrics))
            for name in metrics[0]
            if any(each[name] is not None for each in metrics)
        ),
        tuple(
            ComparedAnswers(row.question, tuple(o.answer.text if o.answer else "" for o in answered))
            for row, answered in zip(rows, zip(*outcomes, strict=True), strict=True)
        ),
    )


async def compare_on_index(
    assembly: Assembly, adapters: Sequence[str], questions: Sequence[str], on_question: Callable[[], None]
) -> Comparison:
    """Ask every adapter some questions about what is indexed and open to everyone.

    Raises `QuestionRefusedError` and `GenerationError`.
    """
    names = _exact(assembly, adapters)
    await assembly.warm_up()
    said: list[list[str]] = []
    for name in names:
        assistant = assembly.speaking_as(name)
        said.append([])
        for question in questions:
            asked = terminal_question(question, frozenset({EVERYONE, PUBLIC}))
            said[-1].append((await collect_answer(assistant, asked)).text)
            on_question()
    answers = zip(*said, strict=True)
    return Comparison(names, (), tuple(ComparedAnswers(*row) for row in zip(questions, answers, strict=True)))


def _exact(assembly: Assembly, adapters: Sequence[str]) -> tuple[str, ...]:
    """The adapters by `name@version`, or `base`. Raises `AdapterError` for what is not installed."""
    references = [assembly.voices.exact(name) for name in adapters]
    for reference in references:
        assembly.generator.resolve(reference)
    return tuple(references)
