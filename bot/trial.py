"""Runs a set of questions against a folder of documents, indexed in a scratch home."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bot.assembly import Assembly
from bot.evaluation import DEPTH, EvaluationError, Outcome, QuestionRow
from bot.followup import stand_alone
from bot.indexing import sync_sources
from bot.settings import Settings
from bot.source_settings import FolderSettings
from connectors.terminal import collect_answer, terminal_question
from knowledge.documents import EVERYONE, PUBLIC, Reader
from knowledge.sync_report import SyncOptions

if TYPE_CHECKING:
    from bot.assistant import Assistant

MEMBER = frozenset({EVERYONE, PUBLIC})
READER = Reader((MEMBER,))


def run_trial(
    settings: Settings,
    docs: Path,
    rows: Sequence[QuestionRow],
    adapter: str | None,
    on_question: Callable[[], None],
) -> list[Outcome]:
    """Index `docs` in a scratch home and ask every row; without an adapter only retrieval runs.

    Models and adapters are those of `settings`. Raises `EvaluationError` when the folder holds nothing.
    """
    return run_trials(settings, docs, rows, (adapter,), on_question)[0]


def run_trials(
    settings: Settings,
    docs: Path,
    rows: Sequence[QuestionRow],
    adapters: Sequence[str | None],
    on_question: Callable[[], None],
) -> list[list[Outcome]]:
    """As `run_trial`, for several adapters over one index; the outcomes of each, in their order.

    `on_question` is called after every question of every adapter, and may raise, which ends the trial.
    """
    if not docs.is_dir():
        raise EvaluationError(f"{docs} is not a folder; name the folder of documents with --docs")
    source = FolderSettings(name="docs", kind="folder", path=docs.resolve())
    with TemporaryDirectory(prefix="lorebot-eval-") as scratch:
        generation = settings.generation
        installed = generation.adapters or settings.home / "adapters"
        trial = settings.model_copy(
            update={
                "home": Path(scratch),
                "sources": (source,),
                "generation": generation.model_copy(update={"adapters": installed}),
            }
        )
        assembly = Assembly(trial, lambda line: None, models=settings.home / "models")
        return asyncio.run(_ask_all(assembly, rows, adapters, on_question))


async def _ask_all(
    assembly: Assembly,
    rows: Sequence[QuestionRow],
    adapters: Sequence[str | None],
    on_question: Callable[[], None],
) -> list[list[Outcome]]:
    try:
        await asyncio.to_thread(index_everything, assembly)
        return [await _ask_one(assembly, rows, adapter, on_question) for adapter in adapters]
    finally:
        await assembly.close()


async def _ask_one(
    assembly: Assembly, rows: Sequence[QuestionRow], adapter: str | None, on_question: Callable[[], None]
) -> list[Outcome]:
    assistant = assembly.speaking_as(assembly.voices.exact(adapter)) if adapter is not None else None
    if assistant is not None:
        await assembly.warm_up()
    outcomes = []
    for row in rows:
        outcomes.append(await _ask(assembly, assistant, row))
        on_question()
    return outcomes


def index_everything(assembly: Assembly) -> None:
    """Sync all sources of an assembly. Raises `EvaluationError` when nothing could be indexed."""
    outcomes = sync_sources(
        assembly.synchronizer.sync,
        tuple(assembly.sources.values()),
        SyncOptions(),
        lambda progress: None,
        threading.Event(),
    )
    for outcome in outcomes:
        if outcome.report is None or not outcome.report.passages_live:
            raise EvaluationError(f"nothing could be indexed: {outcome.error or 'no readable documents'}")


async def _ask(assembly: Assembly, assistant: Assistant | None, row: QuestionRow) -> Outcome:
    standing = stand_alone(row.question, row.turns)
    passages = await asyncio.to_thread(assembly.search.find, standing, READER, DEPTH)
    answer = None
    if assistant is not None:
        question = terminal_question(row.question, MEMBER, row.turns)
        answer = await collect_answer(assistant, question)
    return Outcome(row, passages, answer)
