"""The command line: each command reads its options, asks the assembly for the parts, and shows the result."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.adapters_cli import adapters_app
from bot.command import (
    FAILED,
    INTERRUPTED,
    WRONG_USAGE,
    ConfirmOption,
    JsonOption,
    RebuildOption,
    console,
    opened,
    run_sync,
)
from bot.data_cli import backup, people_app, restore
from bot.discord_cli import discord_app
from bot.library_cli import documents_app, passages_app, sources_app
from bot.slack_cli import slack_app

if TYPE_CHECKING:
    from bot.assembly import Assembly
    from bot.assistant import Assistant
    from connectors.conversation import Answer, Question

app = typer.Typer(
    help="Answers questions from your team's own documents, with their sources.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(adapters_app, name="adapters")
app.add_typer(sources_app, name="sources")
app.add_typer(documents_app, name="documents")
app.add_typer(passages_app, name="passages")
app.add_typer(slack_app, name="slack")
app.add_typer(discord_app, name="discord")
app.add_typer(people_app, name="people")

AdapterOption = Annotated[
    str | None, typer.Option(help="Speak through this adapter, NAME or NAME@VERSION; 'base' means none.")
]
PrincipalOption = Annotated[
    list[str] | None,
    typer.Option("--as", help="See what a person sees: user:ID or group:NAME; repeat for several."),
]


@app.callback()
def settings_file(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="The settings; lorebot.toml in this folder otherwise.")
    ] = None,
) -> None:
    context.obj = config


@app.command()
def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    as_json: JsonOption = False,
    history: Annotated[
        Path | None, typer.Option(help='Earlier turns: a JSON list of {"question", "answer"}.')
    ] = None,
    adapter: AdapterOption = None,
    principal: PrincipalOption = None,
) -> None:
    """Answer one question, with its sources."""
    from bot.contracts import answer_as_json
    from bot.history import read_history
    from connectors.terminal import collect_answer, show_answer, terminal_question

    asked = terminal_question(question, _principals(principal), read_history(history) if history else ())
    with opened(context) as (assembly, runner):
        assistant = _assistant(assembly, adapter)
        if as_json:
            print(answer_as_json(runner.run(collect_answer(assistant, asked))))
        else:
            runner.run(show_answer(assistant, asked, console()))


@app.command()
def chat(context: typer.Context, adapter: AdapterOption = None, principal: PrincipalOption = None) -> None:
    """Hold a conversation; follow-up questions are understood."""
    from connectors.terminal import converse, read_prompt, show_answer

    screen = console()
    with opened(context) as (assembly, runner):
        assistant = _assistant(assembly, adapter)
        runner.run(assembly.warm_up())

        def answered(question: Question) -> Answer:
            return runner.run(show_answer(assistant, question, screen))

        converse(answered, screen, _principals(principal), read_prompt)


@app.command()
def sync(
    context: typer.Context,
    source: Annotated[
        str | None, typer.Argument(help="One source by its name; all of them otherwise.")
    ] = None,
    rebuild: RebuildOption = False,
    confirm_deletions: ConfirmOption = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the index up to date with its sources."""
    run_sync(context, source, rebuild, confirm_deletions, as_json)


@app.command()
def serve(context: typer.Context) -> None:
    """Keep the index current and answer on every platform whose credentials are set, until stopped."""
    from bot.serving import serve

    serve(context.obj)


@app.command()
def search(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many passages.")] = 10,
    as_json: JsonOption = False,
    principal: PrincipalOption = None,
) -> None:
    """Show the passages that a question finds, with their ranks: the tool to understand a bad answer with."""
    from bot.assistant import accept
    from bot.contracts import passages_as_json
    from bot.output import print_passages
    from knowledge.documents import Reader

    with opened(context) as (assembly, _):
        reader = Reader((_principals(principal),))
        passages = assembly.search.find(accept(question), reader, limit)
        if as_json:
            print(passages_as_json(passages))
        else:
            print_passages(passages, console())


@app.command()
def status(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show sources, documents, passages, index generation, last sync, models and the active adapter."""
    from bot.contracts import status_as_json
    from bot.output import print_status
    from bot.status import read_status

    with opened(context) as (assembly, _):
        found = read_status(assembly)
        if as_json:
            print(status_as_json(found))
        else:
            print_status(found, console())


app.command()(backup)
app.command()(restore)


@app.command("eval")
def evaluate(
    context: typer.Context,
    questions: Annotated[Path, typer.Argument(help="One JSON object a line: id, question, relevant, ...")],
    docs: Annotated[Path, typer.Option(help="The folder of documents that the questions are about.")],
    retrieval_only: Annotated[
        bool, typer.Option(help="Measure the search and leave the answers out.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Measure this many questions, spread evenly over the file.")
    ] = None,
    adapter: AdapterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Index a folder in a scratch home and measure retrieval and answers on a set of questions."""
    from bot.evaluation import as_json as metrics_as_json
    from bot.evaluation import measure, read_questions
    from bot.output import counting_bar, print_metrics
    from bot.settings import load_settings_or_defaults
    from bot.trial import run_trial

    rows = read_questions(questions, limit)
    settings = load_settings_or_defaults(context.obj)
    chosen = None if retrieval_only else adapter or settings.generation.adapter
    with counting_bar(console(stderr=True), "Questions", len(rows)) as count:
        outcomes = run_trial(settings, docs, rows, chosen, count)
    if as_json:
        print(metrics_as_json(measure(outcomes)))
    else:
        print_metrics(measure(outcomes), console())


@app.command()
def doctor(context: typer.Context) -> None:
    """Check settings, models, index and disk; every finding says how to mend it."""
    from bot.doctor import examine
    from bot.output import print_findings

    findings = examine(context.obj)
    print_findings(findings, console())
    if any(finding.is_problem for finding in findings):
        raise typer.Exit(FAILED)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failed, 2 wrong usage or settings."""
    # Waiting threads of the model that spin take the processor from those that work.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    sys.exit(_run())


def _run() -> int:
    try:
        result = typer.main.get_command(app).main(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error, file=sys.stderr)
            return WRONG_USAGE
        code = _exit_code(error)
        if code is None:
            raise
        print(f"lorebot: {_one_line(error)}", file=sys.stderr)
        return code
    return result if isinstance(result, int) else 0


def _assistant(assembly: Assembly, adapter: str | None) -> Assistant:
    """The engine in the voice that was asked for, else in that of the place."""
    return assembly.speaking_as(adapter) if adapter else assembly.assistant(assembly.voices.adapter_at)


def _exit_code(error: Exception) -> int | None:
    """The exit code of an error that is meant for people; None for a fault of the program."""
    from adapters.dataset import DatasetError
    from adapters.generation import GenerationError
    from bot.archive import BackupError
    from bot.evaluation import EvaluationError
    from bot.journal import JournalError
    from bot.library import UnknownEntryError
    from bot.places import PlaceError
    from bot.settings import SettingsError
    from bot.voices import VoiceRefusedError
    from connectors.conversation import QuestionRefusedError
    from knowledge.documents import KnowledgeError

    usage_error = typer.BadParameter.__mro__[1]
    if isinstance(
        error,
        SettingsError
        | QuestionRefusedError
        | DatasetError
        | EvaluationError
        | UnknownEntryError
        | PlaceError
        | usage_error,
    ):
        return WRONG_USAGE
    if isinstance(
        error, GenerationError | KnowledgeError | JournalError | BackupError | VoiceRefusedError | OSError
    ):
        return FAILED
    return None


def _one_line(error: Exception) -> str:
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    return " ".join(text.split())


def _principals(named: list[str] | None) -> frozenset[str]:
    from connectors.conversation import EVERYONE, PUBLIC

    return frozenset({EVERYONE, PUBLIC, *(named or ())})
