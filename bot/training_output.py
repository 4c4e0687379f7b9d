"""What a training shows of itself: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from adapters.lesson import TrainingProgress
from adapters.registry import InstalledAdapter
from adapters.verdict import Verdict
from bot.output import print_line, shown
from bot.training_plan import TrainingPlan

SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def training_progress(console: Console, label: str) -> Iterator[Callable[[TrainingProgress], None]]:
    """Yield what shows each step: its number, the losses, and how long it will take."""
    if console.is_terminal:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[losses]}"),
            console=console,
        ) as progress:
            task = progress.add_task(label, total=None, losses="")
            yield lambda now: progress.update(
                task, completed=now.step, total=now.steps or None, losses=_in_words(now)
            )
    else:
        shown_at = float("-inf")
        shown_held_out: float | None = None

        def show(now: TrainingProgress) -> None:
            nonlocal shown_at, shown_held_out
            late = time.monotonic() - shown_at >= SECONDS_BETWEEN_LINES
            if late or now.held_out_loss != shown_held_out:
                shown_at, shown_held_out = time.monotonic(), now.held_out_loss
                console.print(
                    f"{label}: step {now.step} of {now.steps}, {_in_words(now)}",
                    highlight=False,
                    soft_wrap=True,
                )

        yield show


def _in_words(now: TrainingProgress) -> str:
    losses = (("loss", now.loss), ("held out", now.held_out_loss))
    words = [f"{name} {value:.3f}" for name, value in losses if value is not None]
    return ", ".join((*words, f"{timedelta(seconds=round(now.seconds_left))} left"))


def print_plan(plan: TrainingPlan, console: Console) -> None:
    """What will be trained on what."""
    data, values = plan.data, plan.hyperparameters
    for remark in data.remarks:
        print_line(shown(remark), console)
    begins = f"from {plan.parent_reference}" if plan.parent else "from the base model"
    goes_on = ", going on after the last checkpoint" if plan.goes_on else ""
    print_line(
        f"{len(data.training):,} examples to learn, {len(data.held_out):,} held out; {begins}, rank "
        f"{values.rank}, learning rate {values.learning_rate:g}, at most {values.epochs:g} epochs{goes_on}.",
        console,
    )


def print_trained(installed: InstalledAdapter, console: Console) -> None:
    """What came of it."""
    manifest = installed.manifest
    print_line(
        f"{manifest.reference} is trained and installed: {manifest.metrics['steps']} steps, held-out loss "
        f"{manifest.metrics['held_out_loss']:.3f}.",
        console,
    )


def print_next_step(reference: str, verdict: Verdict, console: Console) -> None:
    """What to do with the trained version now."""
    if verdict.passed:
        print_line(f"`lorebot adapters use {reference}` lets it speak.", console)
    else:
        print_line(
            "More and more varied examples usually mend that; the base model and every other voice stay as "
            "they are.",
            console,
        )


def print_error(error: Exception, console: Console) -> None:
    """An error in as many lines as it has."""
    console.print(f"lorebot: {error}", markup=False, highlight=False, soft_wrap=True)
