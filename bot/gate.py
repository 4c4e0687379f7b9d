"""The gate that an adapter passes before it may speak: measured on what it was not trained on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapters.brand_copy import read_copy
from adapters.dataset import read_examples
from adapters.evaluation import Bounds, check, figures
from adapters.files import replace_file
from adapters.generation import BASE
from adapters.registry import InstalledAdapter
from adapters.style import NO_TERMS, Terms, read_terms
from adapters.verdict import REPORT_FILE, Verdict, write_verdict
from bot.assembly import Assembly
from bot.evaluation import EvaluationError, read_questions
from bot.voice_measurement import EvaluationSet, measure_adapter
from bot.voice_report import render_evaluation

ROWS = QUESTIONS = 40
BOUNDS = Bounds()


class EvaluationCancelledError(Exception):
    """The evaluation was stopped; nothing was written."""


@dataclass(frozen=True, slots=True)
class EvaluationProgress:
    """How far an evaluation is: what is measured now, and how much of that is done."""

    stage: str
    done: int
    total: int


def read_set(
    examples: Path,
    copy: Path | None = None,
    terms: Path | None = None,
    questions: Path | None = None,
    docs: Path | None = None,
    most_questions: int = QUESTIONS,
) -> EvaluationSet:
    """Read what an adapter is to be measured on; of the questions, so many spread evenly over their file.

    Without `terms`, those of a TOML file beside the examples and of their name are taken where there is one.
    Raises `DatasetError`, and `EvaluationError` unless questions and documents are given together.
    """
    if (questions is None) != (docs is None):
        raise EvaluationError("--questions and --docs belong together; give both or neither")
    return EvaluationSet(
        examples=read_examples(examples),
        copy=tuple(file.text for file in read_copy(copy)) if copy else (),
        terms=read_terms(terms) if terms else terms_beside(examples),
        questions=tuple(read_questions(questions, most_questions)) if questions else (),
        docs=docs,
    )


def terms_beside(examples: Path) -> Terms:
    """The terms in the TOML file beside the examples and of their name; none where there is no such file."""
    beside = examples.with_suffix(".toml")
    return read_terms(beside) if beside.is_file() else NO_TERMS


def evaluate_adapter(
    assembly: Assembly,
    adapter: InstalledAdapter,
    measured_on: EvaluationSet,
    report: Callable[[EvaluationProgress], None],
    cancelled: threading.Event,
    against: str | None = None,
    rows: int = ROWS,
    measured_by: str = "",
    bounds: Bounds = BOUNDS,
) -> Verdict:
    """Measure an adapter, decide whether it may speak, and keep verdict and report where its registry says.

    It is compared with `against`, else with its manifest's parent, else with the base model. At most `rows`
    held-out examples are measured, spread evenly. Blocks for minutes and must not be called on an event
    loop; `report` is called from the same thread. Raises `EvaluationCancelledError` soon after `cancelled`
    is set, `AdapterError` when the parent is not installed, `EvaluationError` and `GenerationError`.
    """

    def step(stage: str, total: int) -> Callable[[], None]:
        done = 0

        def advance() -> None:
            nonlocal done
            if cancelled.is_set():
                raise EvaluationCancelledError("The evaluation was stopped; nothing was written.")
            done += 1
            report(EvaluationProgress(stage, done, total))

        report(EvaluationProgress(stage, 0, total))
        return advance

    named = against or adapter.manifest.parent or BASE
    parent = None if named == BASE else assembly.registry.resolve(named)
    measurement = measure_adapter(assembly, adapter, parent, measured_on, rows, step)
    checks = check(measurement.measured, bounds)
    verdict = Verdict(
        adapter_hash=adapter.manifest.hash,
        passed=all(one.passed for one in checks),
        reasons=tuple(one.sentence for one in checks if not one.passed),
        figures=figures(measurement.measured, bounds),
        measured_at=datetime.now(UTC),
        measured_by=measured_by,
        parent=parent.manifest.reference if parent else None,
    )
    folder = assembly.registry.evaluation_folder(adapter)
    write_verdict(folder, verdict)
    replace_file(folder / REPORT_FILE, render_evaluation(adapter.manifest, verdict, checks, measurement))
    return verdict
