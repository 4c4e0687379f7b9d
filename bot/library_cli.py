"""`lorebot sources`, `lorebot documents` and `lorebot passages`: what is in the index, what shall not be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from bot.command import ConfirmOption, JsonOption, RebuildOption, console, opened, run_sync

if TYPE_CHECKING:
    from bot.assembly import Assembly
    from bot.library import View

sources_app = typer.Typer(help="Show, sync, pause and remove sources.", no_args_is_help=True)
documents_app = typer.Typer(help="Show, forget and restore documents.", no_args_is_help=True)
passages_app = typer.Typer(help="Show what is read for answers.", no_args_is_help=True)

SourceArgument = Annotated[str, typer.Argument(metavar="NAME", help="The source's name.")]
UriArgument = Annotated[str, typer.Argument(help="The document, as `documents list` names it.")]
SourceOption = Annotated[str | None, typer.Option(metavar="NAME", help="Only in this source.")]


@sources_app.command("list")
def list_sources(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show every source, how much of it is indexed, and how its last sync ended."""
    from bot.library import list_sources as read

    _show(context, as_json, lambda assembly: read(assembly))


@sources_app.command("show")
def show_source(context: typer.Context, name: SourceArgument, as_json: JsonOption = False) -> None:
    """Show one source, what of it cannot be read and why, and what is forgotten."""
    from bot.library import show_source as read

    _show(context, as_json, lambda assembly: read(assembly, name))


@sources_app.command("sync")
def sync_source(
    context: typer.Context,
    name: SourceArgument,
    rebuild: RebuildOption = False,
    confirm_deletions: ConfirmOption = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the index up to date with one source."""
    run_sync(context, name, rebuild, confirm_deletions, as_json)


@sources_app.command("remove")
def remove_source(context: typer.Context, name: SourceArgument, as_json: JsonOption = False) -> None:
    """Remove all that is indexed of a source that is no longer in the settings."""
    from bot.library import remove_source as remove

    _show(context, as_json, lambda assembly: remove(assembly, name))


@sources_app.command("pause")
def pause_source(context: typer.Context, name: SourceArgument, as_json: JsonOption = False) -> None:
    """Leave a source alone until it is resumed; what is indexed of it stays."""
    from bot.library import pause_source as pause

    _show(context, as_json, lambda assembly: pause(assembly, name))


@sources_app.command("resume")
def resume_source(context: typer.Context, name: SourceArgument, as_json: JsonOption = False) -> None:
    """Follow a paused source again."""
    from bot.library import resume_source as resume

    _show(context, as_json, lambda assembly: resume(assembly, name))


@documents_app.command("list")
def list_documents(
    context: typer.Context,
    source: SourceOption = None,
    limit: Annotated[int, typer.Option(min=1, help="How many documents.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Show the indexed documents, and those that are forgotten."""
    from bot.library import list_documents as read

    _show(context, as_json, lambda assembly: read(assembly, source, limit))


@documents_app.command("show")
def show_document(
    context: typer.Context, uri: UriArgument, source: SourceOption = None, as_json: JsonOption = False
) -> None:
    """Show one document: version, audience, age, headings, and why it cannot be read if so."""
    from bot.library import show_document as read

    _show(context, as_json, lambda assembly: read(assembly, uri, source))


@documents_app.command("forget")
def forget_document(
    context: typer.Context, uri: UriArgument, source: SourceOption = None, as_json: JsonOption = False
) -> None:
    """Remove a document and its embeddings from the index at once, and keep it out."""
    from bot.library import forget_document as forget

    _show(context, as_json, lambda assembly: forget(assembly, uri, source))


@documents_app.command("restore")
def restore_document(
    context: typer.Context, uri: UriArgument, source: SourceOption = None, as_json: JsonOption = False
) -> None:
    """Let the next sync index a forgotten document again."""
    from bot.library import restore_document as restore

    _show(context, as_json, lambda assembly: restore(assembly, uri, source))


@passages_app.callback()
def passages() -> None:
    pass


@passages_app.command("show")
def show_passages(
    context: typer.Context,
    wanted: Annotated[str, typer.Argument(metavar="URI|ID", help="A document, or one passage by its id.")],
    source: SourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the passages of a document in full, as the search and the model read them."""
    from bot.library import show_passages as read

    _show(context, as_json, lambda assembly: read(assembly, wanted, source))


def _show(context: typer.Context, as_json: bool, command: Callable[[Assembly], View]) -> None:
    """Do what a command does, and print what it gives back."""
    from bot.contracts import view_as_json
    from bot.library_output import print_view

    with opened(context) as (assembly, _):
        view = command(assembly)
    if as_json:
        print(view_as_json(view))
    else:
        print_view(view, console())
