"""`lorebot adapters`: the voices on disk, which of them speaks where, and how that came to be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.command import JsonOption, console, opened, person
from bot.evaluate_cli import compare_adapters, judge_adapter
from bot.train_cli import train_adapter

if TYPE_CHECKING:
    from bot.adapter_library import AdapterView

adapters_app = typer.Typer(help="Train, show, choose, take back and exchange voices.", no_args_is_help=True)
adapters_app.command("train")(train_adapter)
adapters_app.command("evaluate")(judge_adapter)
adapters_app.command("compare")(compare_adapters)

ReferenceArgument = Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="The adapter.")]
PlaceOption = Annotated[
    str,
    typer.Option(
        help="Where: default, terminal, slack:WORKSPACE, slack:WORKSPACE/CHANNEL, discord:SERVER/CHANNEL."
    ),
]


@adapters_app.command("list")
def list_adapters(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show every adapter, whether it passed its evaluation, and where it speaks."""
    from bot.adapter_library import list_adapters as read

    with opened(context) as (assembly, _):
        _show(read(assembly), as_json)


@adapters_app.command("show")
def show_adapter(context: typer.Context, reference: ReferenceArgument, as_json: JsonOption = False) -> None:
    """Show the voice card of an adapter: origin, training, licence, evaluation."""
    from bot.adapter_library import show_adapter as read

    with opened(context) as (assembly, _):
        _show(read(assembly, reference), as_json)


@adapters_app.command("import")
def import_adapter(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="An adapter's folder, as `export` or training leaves it.")],
    name: Annotated[str | None, typer.Option(help="The name that it gets here; its own otherwise.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check an adapter, hear it once, and install it."""
    from bot.adapter_library import import_adapter as install

    with opened(context) as (assembly, runner):
        _show(runner.run(install(assembly, folder, name, person())), as_json)


@adapters_app.command("export")
def export_adapter(
    context: typer.Context,
    reference: ReferenceArgument,
    folder: Annotated[Path, typer.Argument(help="A new or empty folder; PEFT and vLLM read it.")],
    as_json: JsonOption = False,
) -> None:
    """Copy an adapter into a folder of its own."""
    from bot.adapter_library import export_adapter as export

    with opened(context) as (assembly, _):
        _show(export(assembly, reference, folder), as_json)


@adapters_app.command("use")
def use_adapter(
    context: typer.Context,
    reference: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]", help="The adapter, or base for the untouched model.")
    ],
    place: PlaceOption = "default",
    force: Annotated[
        bool, typer.Option("--force", help="Also one that failed its evaluation, or never had one.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Let an adapter speak from the next question on; a running Lorebot need not be restarted."""
    from bot.adapter_library import use_adapter as use
    from bot.adapter_library import use_adapter_in_spite_of_verdict as use_anyway

    choose = use_anyway if force else use
    with opened(context) as (assembly, _):
        _show(choose(assembly, reference, place, person()), as_json)


@adapters_app.command("rollback")
def roll_back(context: typer.Context, place: PlaceOption = "default", as_json: JsonOption = False) -> None:
    """Undo the last `use` in a place; again, and the one before it is undone."""
    from bot.adapter_library import roll_back as undo

    with opened(context) as (assembly, _):
        _show(undo(assembly, place, person()), as_json)


@adapters_app.command("remove")
def remove_adapter(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="The version to delete.")],
    as_json: JsonOption = False,
) -> None:
    """Delete one version of an adapter that speaks nowhere."""
    from bot.adapter_library import remove_adapter as remove

    with opened(context) as (assembly, _):
        _show(remove(assembly, reference, person()), as_json)


@adapters_app.command("history")
def history(
    context: typer.Context,
    place: Annotated[str | None, typer.Option(help="Only this place, written as for `use`.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many changes.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show who changed what and when, the last change first."""
    from bot.adapter_library import read_history

    with opened(context) as (assembly, _):
        _show(read_history(assembly, place, limit), as_json)


def _show(view: AdapterView, as_json: bool) -> None:
    from bot.adapters_output import print_adapters
    from bot.contracts import view_as_json

    if as_json:
        print(view_as_json(view))
    else:
        print_adapters(view, console())
