"""`lorebot adapters train`: from examples to an installed version of a voice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot.command import FAILED, INTERRUPTED, WRONG_USAGE, console, opened, person


def train_adapter(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the voice is called.")],
    examples: Annotated[
        Path, typer.Option(help="One JSON object a line: question, evidence, answer; rejected if corrected.")
    ],
    copy: Annotated[
        Path | None, typer.Option(help="A folder of the brand's own writing, Markdown or text.")
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME[@VERSION]",
            help="The adapter to begin from, base for none; else grounded.",
        ),
    ] = None,
    rank: Annotated[int | None, typer.Option(min=1, max=512, help="The rank of the matrices.")] = None,
    alpha: Annotated[int | None, typer.Option(min=1, help="Their scaling is alpha / rank.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=1e-7, max=1e-1)] = None,
    epochs: Annotated[
        float | None, typer.Option(min=0.1, max=100, help="How often each example is read at most.")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, max=256, help="Examples in a step.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**31 - 1)] = None,
    version: Annotated[
        str | None, typer.Option(help="What the version is called; the next free number otherwise.")
    ] = None,
    licence: Annotated[str, typer.Option(help="The licence of the examples, for the voice card.")] = "",
    attribution: Annotated[str, typer.Option(help="Who wrote the examples, for the voice card.")] = "",
    notes: Annotated[str, typer.Option(help="What else the voice card shall say.")] = "",
    leave_out_faulty: Annotated[
        bool, typer.Option("--leave-out-faulty", help="Train without the rows that have faults.")
    ] = False,
    skip_evaluation: Annotated[
        bool,
        typer.Option("--skip-evaluation", help="Only train; `lorebot adapters evaluate` can follow later."),
    ] = False,
) -> None:
    """Train a voice on examples, install it, and measure whether it may speak.

    Exit code 0: it may; 1: it may not, or training failed; 2: the examples have faults; 130: interrupted, and
    the same command goes on.
    """
    from adapters.dataset import DatasetError
    from adapters.training import TrainingCancelledError
    from bot.evaluate_cli import evaluation_bar
    from bot.evaluate_output import print_verdict
    from bot.gate import EvaluationCancelledError
    from bot.interruption import cancelled_by_signals
    from bot.training import judge, run_training
    from bot.training_output import (
        print_error,
        print_next_step,
        print_plan,
        print_trained,
        training_progress,
    )
    from bot.training_plan import TrainingOrder, plan_training

    order = TrainingOrder(
        name=name,
        examples=examples,
        copy=copy,
        parent=parent,
        version=version,
        rank=rank,
        alpha=alpha,
        learning_rate=learning_rate,
        epochs=epochs,
        batch=batch,
        seed=seed,
        licence=licence,
        attribution=attribution,
        notes=notes,
        leave_out_faulty=leave_out_faulty,
    )
    screen, stderr = console(), console(stderr=True)
    with opened(context) as (assembly, _):
        try:
            plan = plan_training(assembly, order)
        except DatasetError as error:
            print_error(error, stderr)
            raise typer.Exit(WRONG_USAGE) from None
        print_plan(plan, stderr)
        with cancelled_by_signals() as cancelled:
            try:
                with training_progress(stderr, f"Training {name}") as report:
                    installed = run_training(assembly, plan, person(), report, cancelled)
                print_trained(installed, screen)
                if skip_evaluation:
                    return
                with evaluation_bar() as show:
                    verdict = judge(assembly, plan, installed, person(), show, cancelled)
            except (TrainingCancelledError, EvaluationCancelledError) as stopped:
                print_error(stopped, stderr)
                raise typer.Exit(INTERRUPTED) from None
        reference = installed.manifest.reference
        print_verdict(reference, verdict, assembly.registry.evaluation_folder(installed), screen)
        print_next_step(reference, verdict, screen)
    if not verdict.passed:
        raise typer.Exit(FAILED)
