"""`lorebot adapters evaluate` and `lorebot adapters compare`: what an adapter can do, and whether it may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.command import FAILED, INTERRUPTED, JsonOption, console, opened, person

if TYPE_CHECKING:
    from bot.gate import EvaluationProgress

QuestionsOption = Annotated[
    Path | None,
    typer.Option(help="Questions for the whole engine, one JSON object a line, as for `lorebot eval`."),
]
DocsOption = Annotated[
    Path | None, typer.Option(help="The folder of documents that the questions are about.")
]
LimitOption = Annotated[
    int, typer.Option(min=2, help="At most so many examples and questions, spread evenly over their files.")
]


def judge_adapter(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="The adapter.")],
    examples: Annotated[
        Path, typer.Option(help="The examples that it was trained on; those held out are measured.")
    ],
    copy: Annotated[
        Path | None, typer.Option(help="The folder of the brand's writing that it was trained on.")
    ] = None,
    terms: Annotated[
        Path | None,
        typer.Option(help="TOML with the lists require and ban; EXAMPLES.toml is taken where it is there."),
    ] = None,
    questions: QuestionsOption = None,
    docs: DocsOption = None,
    limit: LimitOption = 40,
    against: Annotated[
        str | None, typer.Option(help="Compare with this adapter, or base; its parent otherwise.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure an adapter and decide whether it may speak. Exit code 0: it may; 1: it may not."""
    from bot.evaluate_output import print_verdict
    from bot.gate import EvaluationCancelledError, evaluate_adapter, read_set
    from bot.interruption import cancelled_by_signals
    from bot.training_output import print_error

    measured_on = read_set(examples, copy, terms, questions, docs, limit)
    with opened(context) as (assembly, _):
        adapter = assembly.registry.resolve(reference)
        with cancelled_by_signals() as cancelled:
            try:
                with evaluation_bar() as show:
                    verdict = evaluate_adapter(
                        assembly, adapter, measured_on, show, cancelled, against, limit, person()
                    )
            except EvaluationCancelledError as stopped:
                print_error(stopped, console(stderr=True))
                raise typer.Exit(INTERRUPTED) from None
        if as_json:
            print(verdict.model_dump_json(indent=2))
        else:
            folder = assembly.registry.evaluation_folder(adapter)
            print_verdict(adapter.manifest.reference, verdict, folder, console())
    if not verdict.passed:
        raise typer.Exit(FAILED)


def compare_adapters(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="A", help="An adapter, NAME[@VERSION], or base.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    ask: Annotated[
        list[str] | None, typer.Option(help="A question about what is indexed; repeat for several.")
    ] = None,
    questions: QuestionsOption = None,
    docs: DocsOption = None,
    limit: LimitOption = 10,
    html: Annotated[Path | None, typer.Option(help="Write the comparison as a page, too.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask two adapters the same questions and show their answers side by side."""
    from bot.contracts import view_as_json
    from bot.evaluate_output import print_comparison
    from bot.evaluation import read_questions
    from bot.output import counting_bar
    from bot.voice_comparison import compare_on_index, compare_on_trial
    from bot.voice_report import render_comparison

    if bool(ask) == bool(questions and docs):
        raise typer.BadParameter("give either --ask, or --questions together with --docs")
    adapters = (first, second)
    with opened(context) as (assembly, runner):
        if questions and docs:
            rows = read_questions(questions, limit)
            with counting_bar(console(stderr=True), "Questions", len(rows) * len(adapters)) as count:
                comparison = compare_on_trial(assembly, adapters, rows, docs, count)
        else:
            with counting_bar(console(stderr=True), "Questions", len(ask or ()) * len(adapters)) as count:
                comparison = runner.run(compare_on_index(assembly, adapters, ask or (), count))
    if html is not None:
        html.write_text(render_comparison(comparison), encoding="utf-8")
    if as_json:
        print(view_as_json(comparison))
    else:
        print_comparison(comparison, console())


@contextmanager
def evaluation_bar() -> Iterator[Callable[[EvaluationProgress], None]]:
    """A progress bar on stderr with a line for each stage of an evaluation."""
    from bot.output import stages_bar

    with stages_bar(console(stderr=True)) as show:
        yield lambda progress: show(progress.stage, progress.done, progress.total)
