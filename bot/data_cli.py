"""`lorebot backup`, `lorebot restore` and `lorebot people`: what a home keeps is saved, shown, erased."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.command import INTERRUPTED, console, opened, person

if TYPE_CHECKING:
    from bot.people import Person

people_app = typer.Typer(help="Show or erase what is kept about one person.", no_args_is_help=True)

PersonArgument = Annotated[
    str, typer.Argument(metavar="ID", help="slack:U123, discord:ID or terminal:NAME, the platform's own id.")
]


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where to write it, as in lorebot.tar.gz.")],
) -> None:
    """Write the index, the journal, the schedule and the adapters into one file, while Lorebot runs."""
    from bot.archive import BackupCancelledError
    from bot.backup import back_up
    from bot.data_output import bytes_bar, print_backed_up
    from bot.interruption import cancelled_by_signals

    with (
        opened(context) as (assembly, _),
        bytes_bar(console(stderr=True), "Backup") as on_bytes,
        cancelled_by_signals() as cancelled,
    ):
        try:
            done = back_up(assembly, file.absolute(), on_bytes, cancelled)
        except BackupCancelledError:
            raise typer.Exit(INTERRUPTED) from None
    print_backed_up(done, console())


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What `lorebot backup` wrote.")],
    force: Annotated[bool, typer.Option("--force", help="Replace what the home holds.")] = False,
) -> None:
    """Make the home what a backup holds; everything in it is checked before anything is changed."""
    from bot.archive import BackupCancelledError
    from bot.data_output import bytes_bar, print_restored
    from bot.interruption import cancelled_by_signals
    from bot.restoring import restore as restore_home
    from bot.settings import load_settings

    settings = load_settings(context.obj)
    with bytes_bar(console(stderr=True), "Restore") as on_bytes, cancelled_by_signals() as cancelled:
        try:
            done = restore_home(settings, file.absolute(), force, on_bytes, cancelled)
        except BackupCancelledError:
            raise typer.Exit(INTERRUPTED) from None
    with opened(context) as (assembly, _):
        assembly.editions.live().catch_up()
    print_restored(done, str(settings.home), console())


@people_app.command("export")
def export(context: typer.Context, who: PersonArgument) -> None:
    """Print everything that is kept about a person, as JSON."""
    import json

    from bot.people import export_person, made_by

    asked = _person(who)
    with opened(context) as (assembly, _):
        exported = export_person(assembly.journal, asked, person())
        exported["adapters"] = made_by(assembly.registry, asked)
    print(json.dumps(exported, ensure_ascii=False, indent=2))


@people_app.command("erase")
def erase(
    context: typer.Context,
    who: PersonArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether this is meant.")] = False,
) -> None:
    """Erase what a person asked, was answered and judged, and their name from what was administered."""
    from bot.data_output import print_erased
    from bot.people import erase_person, made_by

    asked = _person(who)
    if not yes:
        typer.confirm(
            f"Erase everything that is kept about {asked}? It cannot be undone", abort=True, err=True
        )
    with opened(context) as (assembly, _):
        erased = erase_person(assembly.journal, asked, person())
        adapters = made_by(assembly.registry, asked)
    print_erased(asked, erased, adapters, console())


def _person(text: str) -> Person:
    from bot.people import PersonError, parse_person

    try:
        return parse_person(text)
    except PersonError as error:
        raise typer.BadParameter(str(error)) from error
