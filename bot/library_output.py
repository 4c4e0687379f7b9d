"""What `sources`, `documents` and `passages` print for people, with Rich."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import singledispatch

from rich.console import Console

from bot.library import Change, DocumentDetails, DocumentList, PassageList, SourceDetails, SourceList
from bot.output import print_facts, shown, sources_table
from connectors.freshness import age
from knowledge.records import ForgottenDocument, StoredPassage


@singledispatch
def print_view(view: object, console: Console) -> None:
    """Print what one of the commands has read or done."""
    raise TypeError(f"{type(view).__name__} has no form for people")


@print_view.register
def _(view: SourceList, console: Console) -> None:
    """A line for each source."""
    if not view.sources:
        console.print("No sources: add a [[sources]] table to lorebot.toml.", markup=False)
        return
    console.print(sources_table(view.sources))


@print_view.register
def _(view: SourceDetails, console: Console) -> None:
    """One source, then its failing and forgotten documents."""
    facts = {
        "Source": view.name,
        "Kind": view.kind or "no longer configured; `lorebot sources remove` removes what is indexed",
        "Location": view.location,
        "Audience": ", ".join(view.audience),
        "Documents": f"{view.documents:,}",
        "Passages": f"{view.passages:,}",
        "Schedule": view.schedule,
        "Health": view.health,
        "Counts": ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in view.counts.items()),
    }
    print_facts(facts, console)
    for failure in view.failing:
        _line(console, f"[red]cannot be read[/red]  {shown(failure.uri)}: {shown(failure.error)}")
    _print_forgotten(view.forgotten, console)


@print_view.register
def _(view: DocumentList, console: Console) -> None:
    """A line for each document, how many are left out, and what is forgotten."""
    for document in view.documents:
        _line(
            console,
            f"[bold]{shown(document.uri)}[/bold]  {shown(document.title)}  [dim]{document.source} · "
            f"{document.passages} passages · indexed {_age(document.indexed_at)}[/dim]",
        )
    if view.total > len(view.documents):
        _line(console, f"… and {view.total - len(view.documents):,} more; --limit shows them")
    if not view.total:
        _line(console, "Nothing is indexed here. `lorebot sync` reads the sources.")
    _print_forgotten(view.forgotten, console)


@print_view.register
def _(view: DocumentDetails, console: Console) -> None:
    """One document with the headings of its passages."""
    facts = {"Document": view.uri, "Source": view.source}
    if view.document is not None:
        document = view.document
        modified = f"{document.modified_at:%Y-%m-%d %H:%M} UTC" if document.modified_at else ""
        facts |= {
            "Title": document.title,
            "Link": document.url or "",
            "Audience": ", ".join(document.audience),
            "Version": document.version,
            "Modified": modified,
            "Indexed": _age(document.indexed_at),
            "Passages": f"{document.passages:,}",
        }
    print_facts(facts, console)
    if view.failure is not None:
        newest = "its newest version cannot be read" if view.document else "cannot be read"
        _line(console, f"[red]{newest}[/red]  {shown(view.failure.error)}")
    for passage in view.passages:
        words = len(passage.text.split())
        _line(
            console,
            f"  {shown(passage.heading) or '(top)'}  [dim]#{passage.passage_id} · {words} words[/dim]",
        )


@print_view.register
def _(view: PassageList, console: Console) -> None:
    """Each passage with its place and its whole text."""
    for passage in view.passages:
        _line(
            console, f"[bold]{_place(passage)}[/bold]  [dim]{shown(passage.uri)} #{passage.passage_id}[/dim]"
        )
        _line(console, f"{shown(passage.text)}\n")
    if not view.passages:
        _line(console, "This document has no passages. `lorebot documents show` says why.")


@print_view.register
def _(change: Change, console: Console) -> None:
    """What was done, and how to undo it."""
    removed = f"{change.documents_removed:,} documents and {change.passages_removed:,} passages removed"
    uri = shown(change.uri)
    sentences = {
        "removed": f"Source {change.source} is gone from the index: {removed}.",
        "forgotten": f"{uri} of source {change.source} is forgotten: {change.passages_removed:,} passages "
        f"removed. It stays out of the index, also while its source still lists it; `lorebot documents "
        f"restore` lifts that.",
        "paused": f"Source {change.source} is paused: neither its schedule nor a change syncs it until "
        f"`lorebot sources resume {change.source}`.",
        "resumed": f"Source {change.source} is followed again; a running `lorebot serve` syncs it at once.",
        "restored": f"{uri} of source {change.source} is no longer forgotten: the next sync indexes it if "
        "its source still lists it.",
    }
    _line(console, sentences[change.done])


def _print_forgotten(forgotten: tuple[ForgottenDocument, ...], console: Console) -> None:
    for document in forgotten:
        _line(
            console,
            f"[yellow]forgotten[/yellow]  {shown(document.uri)}  [dim]{document.source} · "
            f"{_age(document.at)}[/dim]",
        )


def _place(passage: StoredPassage) -> str:
    heading = f" › {shown(passage.heading)}" if passage.heading else ""
    return f"{passage.ordinal + 1}. {shown(passage.title)}{heading}"


def _line(console: Console, markup: str) -> None:
    console.print(markup, highlight=False, soft_wrap=True)


def _age(moment: datetime) -> str:
    return age(moment, datetime.now(UTC))
