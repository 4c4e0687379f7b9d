"""What `lorebot adapters` prints for people, with Rich."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import singledispatch
from typing import Any

from rich.console import Console
from rich.table import Table

from bot.adapter_library import (
    AdapterCard,
    AdapterChange,
    AdapterList,
    AdapterSummary,
    History,
    VoiceChanged,
)
from bot.journal import Entry
from bot.output import print_facts, print_line, shown
from bot.places import EVERYWHERE
from bot.voices import VOICE, ActiveVoice
from connectors.freshness import age, day

_COLOURS = {"passed": "green", "failed": "red", "not measured": "yellow"}
_MOST_ITEMS = 8


@singledispatch
def print_adapters(view: object, console: Console) -> None:
    """Print what one of the commands has read or done."""
    raise TypeError(f"{type(view).__name__} has no form for people")


@print_adapters.register
def _(view: AdapterList, console: Console) -> None:
    """A line for each version, then one for each place, and what cannot speak there."""
    if view.adapters:
        console.print(_versions(view.adapters))
    else:
        print_line("No adapter is installed; the base model speaks.", console)
    if view.adapters or len(view.voices) > 1:
        print_line("", console)
        console.print(_voices(view.voices))
    for voice in view.voices:
        if voice.problem:
            print_line(f"[red]{voice.place}[/red]  {shown(voice.problem)}", console)


@print_adapters.register
def _(view: AdapterCard, console: Console) -> None:
    """Where the adapter comes from, what was measured, and every figure."""
    card, summary = view.manifest, view.summary
    rows = f" on {card['data_rows']:,} examples" if card["data_rows"] else ""
    seed = f", seed {card['seed']}" if card["seed"] is not None else ""
    print_facts(
        {
            "Adapter": summary.reference + (", comes with Lorebot" if summary.shipped else ""),
            "Evaluation": _evaluation(view),
            "Speaks in": ", ".join(summary.places) or "no place",
            "Parent": summary.parent,
            "Base model": card["base_model"],
            "Trained": f"{day(summary.created_at)} by {summary.created_by}{rows}{seed}",
            "Data": ", ".join(filter(None, (card["data_licence"], card["data_attribution"]))),
            "Settings": _in_one_line(card["hyperparameters"]),
            "Training": _in_one_line(card["metrics"]),
            "Words": ", ".join(card["colour"]),
            "Notes": card["notes"],
            "Size": _megabytes(summary.size),
            "Hash": view.hash[:16],
            "Folder": view.folder,
            "Report": view.report,
        },
        console,
    )
    if view.verdict is None:
        return
    for reason in view.verdict["reasons"]:
        print_line(f"  [{_COLOURS[summary.standing]}]{shown(reason)}[/]", console)
    print_facts({f"  {name}": value for name, value in _figures(view.verdict["figures"])}, console)


@print_adapters.register
def _(view: AdapterChange, console: Console) -> None:
    """What was done, and what to do next."""
    folder, reference = shown(view.folder), view.reference
    sentences = {
        "imported": f"{reference} is installed. It was not measured here: `lorebot adapters evaluate "
        f"{reference}` decides whether it may speak.",
        "unchanged": f"{reference} was installed already, with the same weights.",
        "exported": f"{reference} is copied to {folder}.",
        "removed": f"{reference} is deleted.",
    }
    print_line(sentences[view.done], console)


@print_adapters.register
def _(view: VoiceChanged, console: Console) -> None:
    """Who speaks now, how to undo it, and where that changes nothing."""
    change = view.change
    where = "" if change.place == EVERYWHERE else f" in {change.place}"
    if not change.changed:
        print_line(f"{change.speaks} speaks{where} already.", console)
        return
    back = f" --place {change.place}" if where else ""
    instead = f" in place of {change.before}" if change.before else ""
    if change.now:
        undo = f"`lorebot adapters rollback{back}` undoes that."
        print_line(f"{change.now} speaks{where} from the next question on{instead}. {undo}", console)
    else:
        print_line(f"{change.before} is taken back{where}: {change.speaks} speaks, as before.", console)
    for reason in change.overruled:
        print_line(f"  [yellow]overruled[/yellow]  {shown(reason)}", console)
    for voice in view.elsewhere:
        print_line(f"  {voice.place} keeps its own voice, {voice.speaks}", console)


@print_adapters.register
def _(view: History, console: Console) -> None:
    """A line for each change."""
    if not view.entries:
        print_line("Nothing was changed yet.", console)
    for entry in view.entries:
        moment = f"{entry.at.astimezone():%Y-%m-%d %H:%M}"
        print_line(f"[dim]{moment}[/dim]  {shown(entry.who)}  {_deed(entry)}", console)


def _versions(adapters: Sequence[AdapterSummary]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("Adapter", overflow="fold")
    table.add_column("Evaluation", no_wrap=True)
    table.add_column("Size", justify="right", no_wrap=True)
    table.add_column("Parent", overflow="fold")
    for adapter in adapters:
        standing = f"[{_COLOURS[adapter.standing]}]{adapter.standing}[/]"
        table.add_row(adapter.reference, standing, _megabytes(adapter.size), adapter.parent)
    return table


def _voices(voices: Sequence[ActiveVoice]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("Place", overflow="fold")
    table.add_column("Speaks", overflow="fold")
    for voice in voices:
        instead = f" instead of {voice.chosen}" if voice.problem and voice.chosen else ""
        by_settings = "" if voice.chosen else " [dim]by the settings[/dim]"
        table.add_row(voice.place, f"{voice.speaks}{instead}{by_settings}")
    return table


def _evaluation(view: AdapterCard) -> str:
    if view.verdict is None:
        return f"not measured; `lorebot adapters evaluate {view.summary.reference}` does"
    measured = age(datetime.fromisoformat(view.verdict["measured_at"]), datetime.now(UTC))
    by = f" by {view.verdict['measured_by']}" if view.verdict["measured_by"] else ""
    against = f", compared with {view.verdict['parent']}" if view.verdict["parent"] else ""
    return f"{view.summary.standing}, measured {measured}{by}{against}"


def _figures(figures: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Every figure under its path of names."""
    for name, value in figures.items():
        path = f"{above}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _figures(value, f"{path} › ")
        else:
            yield path, _value(value)


def _in_one_line(figures: Mapping[str, Any]) -> str:
    return " · ".join(f"{name} {value}" for name, value in _figures(figures))


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if 0 < abs(value) < 0.01 else f"{value:.3f}"
    if isinstance(value, list):
        plain = len(value) <= _MOST_ITEMS and all(isinstance(item, str | int | float) for item in value)
        return ", ".join(map(_value, value)) if plain else f"{len(value)} entries"
    return "-" if value is None else str(value)


def _deed(entry: Entry) -> str:
    """One entry in words."""
    details = entry.details
    if entry.kind != VOICE:
        return f"{shown(entry.subject)} {shown(str(details['done']))}"
    now = details["adapter"] or "no voice of its own"
    before = details["before"] or "no voice of its own"
    undone = " [dim](rollback)[/dim]" if "undoes" in details else ""
    overruled = "; ".join(map(str, details.get("overruled", ())))
    forced = f" [yellow]forced although {shown(overruled)}[/yellow]" if overruled else ""
    return f"{shown(entry.subject)}: {shown(before)} → {shown(now)}{undone}{forced}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
