"""`lorebot sources`, `lorebot documents` and `lorebot passages`: what is in the index, what shall not be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bot.command import ConfirmOption, JsonOption, RebuildOption, console, opened, run_sync

if TYPE_CHECKING:
    from rich.console import Console

    from bot.library import Change, DocumentDetails, DocumentList, PassageList, SourceDetails, SourceList

View = TypeVar(
    "View", "SourceList", "SourceDetails", "DocumentList", "DocumentDetails", "PassageList", "Change"
)

sources_app = typer.Typer(help="Show, sync and remove sources.", no_args_is_help=True)
documents_app = typer.Typer(help="Show, forget and restore documents.", no_args_is_help=True)
passages_app = typer.Typer(help="Show what is read for answers.", no_args_is_help=True)

SourceArgument = Annotated[str, typer.Argument(metavar="NAME", help="The source's name.")]
UriArgument = Annotated[str, typer.Argument(help="The document, as `documents list` names it.")]
SourceOption = Annotated[str | None, typer.Option(metavar="NAME", help="Only in this source.")]


@sources_app.command("list")
def list_sources(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show every source, how much of it is indexed, and how its last sync ended."""
    from bot import library
    from bot.library_output import print_sources

    with opened(context) as (assembly, _):
        view = library.list_sources(assembly)
    _say(view, as_json, print_sources)


@sources_app.command("show")
def show_source(context: typer.Context, name: SourceArgument, as_json: JsonOption = False) -> None:
    """Show one source, what of it cannot be read and why, and what is forgotten."""
    from bot import library
    from bot.library_output import print_source

    with opened(context) as (assembly, _):
        view = library.show_source(assembly, name)
    _say(view, as_json, print_source)


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
    from bot import library
    from bot.library_output import print_change

    with opened(context) as (assembly, _):
        change = library.remove_source(assembly, name)
    _say(change, as_json, print_change)


@documents_app.command("list")
def list_documents(
    context: typer.Context,
    source: SourceOption = None,
    limit: Annotated[int, typer.Option(min=1, help="How many documents.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Show the indexed documents, and those that are forgotten."""
    from bot import library
    from bot.library_output import print_documents

    with opened(context) as (assembly, _):
        view = library.list_documents(assembly, source, limit)
    _say(view, as_json, print_documents)


@documents_app.command("show")
def show_document(
    context: typer.Context, uri: UriArgument, source: SourceOption = None, as_json: JsonOption = False
) -> None:
    """Show one document: version, audience, age, headings, and why it cannot be read if so."""
    from bot import library
    from bot.library_output import print_document

    with opened(context) as (assembly, _):
        view = library.show_document(assembly, uri, source)
    _say(view, as_json, print_document)


@documents_app.command("forget")
def forget_document(
    context: typer.Context, uri: UriArgument, source: SourceOption = None, as_json: JsonOption = False
) -> None:
    """Remove a document and its embeddings from the index at once, and keep it out."""
    from bot import library
    from bot.library_output import print_change

    with opened(context) as (assembly, _):
        change = library.forget_document(assembly, uri, source)
    _say(change, as_json, print_change)


@documents_app.command("restore")
def restore_document(
    context: typer.Context, uri: UriArgument, source: SourceOption = None, as_json: JsonOption = False
) -> None:
    """Let the next sync index a forgotten document again."""
    from bot import library
    from bot.library_output import print_change

    with opened(context) as (assembly, _):
        change = library.restore_document(assembly, uri, source)
    _say(change, as_json, print_change)


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
    from bot import library
    from bot.library_output import print_passages_in_full

    with opened(context) as (assembly, _):
        view = library.show_passages(assembly, wanted, source)
    _say(view, as_json, print_passages_in_full)


def _say(view: View, as_json: bool, print_view: Callable[[View, Console], None]) -> None:
    from bot.contracts import view_as_json

    if as_json:
        print(view_as_json(view))
    else:
        print_view(view, console())
