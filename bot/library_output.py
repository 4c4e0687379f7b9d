"""What `sources`, `documents` and `passages` print for people, with Rich."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bot.library import Change, DocumentDetails, DocumentList, PassageList, SourceDetails, SourceList
from connectors.terminal import age
from knowledge.records import ForgottenDocument, StoredPassage

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def print_sources(view: SourceList, console: Console) -> None:
    """A line for each source."""
    if not view.sources:
        console.print("No sources: add a [[sources]] table to lorebot.toml.", markup=False)
        return
    table = Table("Source", "Documents", "Passages", "Failing", "Last sync", box=None, pad_edge=False)
    for source in view.sources:
        table.add_row(
            source.name + ("" if source.configured else " (no longer configured)"),
            f"{source.documents:,}",
            f"{source.passages:,}",
            f"{len(source.failing):,}",
            f"{_age(source.last_sync)}, {_shown(source.outcome)}" if source.last_sync else source.outcome,
        )
    console.print(table)


def print_source(view: SourceDetails, console: Console) -> None:
    """One source, then its failing and forgotten documents."""
    facts = {
        "Source": view.name,
        "Kind": view.kind or "no longer configured; `lorebot sources remove` removes what is indexed",
        "Location": view.location,
        "Audience": ", ".join(view.audience),
        "Documents": f"{view.documents:,}",
        "Passages": f"{view.passages:,}",
        "Last sync": _age(view.last_sync) if view.last_sync else "never",
        "Outcome": view.outcome,
        "Counts": ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in view.counts.items()),
    }
    _print_facts(facts, console)
    for failure in view.failing:
        _line(console, f"[red]cannot be read[/red]  {_shown(failure.uri)}: {_shown(failure.error)}")
    _print_forgotten(view.forgotten, console)


def print_documents(view: DocumentList, console: Console) -> None:
    """A line for each document, how many are left out, and what is forgotten."""
    for document in view.documents:
        _line(
            console,
            f"[bold]{_shown(document.uri)}[/bold]  {_shown(document.title)}  [dim]{document.source} · "
            f"{document.passages} passages · indexed {_age(document.indexed_at)}[/dim]",
        )
    if view.total > len(view.documents):
        _line(console, f"… and {view.total - len(view.documents):,} more; --limit shows them")
    if not view.total:
        _line(console, "Nothing is indexed here. `lorebot sync` reads the sources.")
    _print_forgotten(view.forgotten, console)


def print_document(view: DocumentDetails, console: Console) -> None:
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
    _print_facts(facts, console)
    if view.failure is not None:
        newest = "its newest version cannot be read" if view.document else "cannot be read"
        _line(console, f"[red]{newest}[/red]  {_shown(view.failure.error)}")
    for passage in view.passages:
        words = len(passage.text.split())
        _line(
            console,
            f"  {_shown(passage.heading) or '(top)'}  [dim]#{passage.passage_id} · {words} words[/dim]",
        )


def print_passages_in_full(view: PassageList, console: Console) -> None:
    """Each passage with its place and its whole text."""
    for passage in view.passages:
        _line(
            console, f"[bold]{_place(passage)}[/bold]  [dim]{_shown(passage.uri)} #{passage.passage_id}[/dim]"
        )
        _line(console, f"{_shown(passage.text)}\n")
    if not view.passages:
        _line(console, "This document has no passages. `lorebot documents show` says why.")


def print_change(change: Change, console: Console) -> None:
    """What was done, and how to undo it."""
    removed = f"{change.documents_removed:,} documents and {change.passages_removed:,} passages removed"
    uri = _shown(change.uri)
    sentences = {
        "removed": f"Source {change.source} is gone from the index: {removed}.",
        "forgotten": f"{uri} of source {change.source} is forgotten: {change.passages_removed:,} passages "
        f"removed. It stays out of the index, also while its source still lists it; `lorebot documents "
        f"restore` lifts that.",
        "restored": f"{uri} of source {change.source} is no longer forgotten: the next sync indexes it if "
        "its source still lists it.",
    }
    _line(console, sentences[change.done])


def _print_forgotten(forgotten: tuple[ForgottenDocument, ...], console: Console) -> None:
    for document in forgotten:
        _line(
            console,
            f"[yellow]forgotten[/yellow]  {_shown(document.uri)}  [dim]{document.source} · "
            f"{_age(document.at)}[/dim]",
        )


def _place(passage: StoredPassage) -> str:
    heading = f" › {_shown(passage.heading)}" if passage.heading else ""
    return f"{passage.ordinal + 1}. {_shown(passage.title)}{heading}"


def _print_facts(facts: Mapping[str, str], console: Console) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in facts.items():
        if value:
            table.add_row(name, _shown(value))
    console.print(table)


def _line(console: Console, markup: str) -> None:
    console.print(markup, highlight=False, soft_wrap=True)


def _shown(text: str) -> str:
    """Text of a document as a terminal may show it: no markup, and nothing that steers the terminal."""
    return escape(_CONTROL_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", text))


def _age(moment: datetime) -> str:
    return age(moment, datetime.now(UTC))
