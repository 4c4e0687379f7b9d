"""What the commands of all files share: their options, their exit codes, and how they open the home."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asyncio import Runner

    from rich.console import Console

    from bot.assembly import Assembly

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")]
RebuildOption = Annotated[bool, typer.Option(help="Read every document again and build the index anew.")]
ConfirmOption = Annotated[bool, typer.Option(help="Delete even when a large share of a source is gone.")]


@contextmanager
def opened(context: typer.Context) -> Iterator[tuple[Assembly, Runner]]:
    """The assembly of the settings and an event loop; both are closed at the end."""
    from asyncio import Runner

    from bot.assembly import Assembly
    from bot.settings import load_settings

    stderr = console(stderr=True)
    assembly = Assembly(load_settings(context.obj), lambda line: stderr.print(line, markup=False))
    with Runner() as runner:
        try:
            yield assembly, runner
        finally:
            runner.run(assembly.close())


def console(*, stderr: bool = False) -> Console:
    """A console on stdout or stderr."""
    from rich.console import Console

    return Console(stderr=stderr)


def person() -> str:
    """Who sits at this terminal, as the journal names people."""
    try:
        return f"terminal:{getpass.getuser()}"
    except (OSError, KeyError):
        return "terminal"


def run_sync(
    context: typer.Context, source: str | None, rebuild: bool, confirm_deletions: bool, as_json: bool
) -> None:
    """Sync one source, or all of them, and say what was done. Raises `typer.Exit` when one failed."""
    from bot.contracts import outcomes_as_json
    from bot.indexing import choose_sources, sync_options, sync_sources
    from bot.interruption import cancelled_by_signals
    from bot.output import print_outcomes, sync_bar

    with opened(context) as (assembly, _):
        paused = assembly.jobs.paused()
        chosen = choose_sources(assembly.sources, source)
        if source is None:
            chosen = tuple(one for one in chosen if one.name not in paused)
        _say_paused(paused.keys(), source)
        options = sync_options(assembly.settings.sync, confirm_deletions=confirm_deletions)
        run = assembly.synchronizer.rebuild if rebuild else assembly.synchronizer.sync
        with (
            sync_bar(console(stderr=True)) as show,
            assembly.run_notes.noting(show) as on_progress,
            cancelled_by_signals() as cancelled,
        ):
            outcomes = sync_sources(run, chosen, options, on_progress, cancelled)
        if as_json:
            print(outcomes_as_json(outcomes))
        else:
            print_outcomes(outcomes, console())
    if any(outcome.report is None for outcome in outcomes):
        raise typer.Exit(FAILED)
    if cancelled.is_set():
        raise typer.Exit(INTERRUPTED)


def _say_paused(paused: Set[str], chosen: str | None) -> None:
    screen = console(stderr=True)
    for name in paused if chosen is None else paused & {chosen}:
        does = "is left out" if chosen is None else "is synced this once"
        screen.print(f"Source {name} is paused and {does}; `lorebot sources resume {name}` lifts that.")
