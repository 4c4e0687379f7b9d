"""What `lorebot adapters evaluate` and `compare` print for people, with Rich."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from adapters.generation import BASE
from adapters.verdict import REPORT_FILE, Verdict
from bot.output import print_line, shown
from bot.voice_comparison import Comparison


def print_verdict(reference: str, verdict: Verdict, folder: Path, console: Console) -> None:
    """The measures of truth and of the speakers as two tables, then the verdict and where the report lies."""
    figures: Mapping[str, Any] = verdict.figures
    truth = Table("Truth", reference, verdict.parent or BASE, "Questions", box=None, pad_edge=False)
    for name, one in figures["truth"].items():
        truth.add_row(name, f"{one['adapter']:.2f}", f"{one['parent']:.2f}", str(one["questions"]))
    console.print(truth)
    print_line("", console)
    console.print(_speakers(figures))
    print_line("", console)
    for reason in verdict.reasons:
        print_line(f"[red]✗[/red] {shown(reason)}", console)
    word = "[green]may speak[/green]" if verdict.passed else "[red]must not speak yet[/red]"
    print_line(
        f"[bold]{shown(reference)}[/bold] {word}. Every answer: {shown(str(folder / REPORT_FILE))}", console
    )


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Figures and answers of the adapters beside each other."""
    if comparison.metrics:
        metrics = Table("Measure", *map(shown, comparison.names), box=None, pad_edge=False)
        for name, values in comparison.metrics:
            metrics.add_row(name, *("-" if value is None else f"{value:.3f}" for value in values))
        console.print(metrics)
    answers = Table("Question", *map(shown, comparison.names), show_lines=True)
    for row in comparison.rows:
        answers.add_row(shown(row.question), *map(shown, row.answers))
    console.print(answers)


def _speakers(figures: Mapping[str, Any]) -> Table:
    names = list(figures["log_probability"])
    table = Table("Speaker", *names, box=None, pad_edge=False)
    table.add_row(
        "log-probability of a token of the examples",
        *(f"{figures['log_probability'][name]:.2f}" for name in names),
    )
    if style := figures["style"]:
        table.add_row("in the voice, 0 to 1", *(f"{style['score'][name]:.2f}" for name in names))
        told = style["told_from"]
        table.add_row(
            "told from the adapter", *(f"{told[name]:.0%}" if name in told else "-" for name in names)
        )
    table.add_row("tokens a reply", *(f"{figures['speed'][name]['tokens']:.0f}" for name in names))
    table.add_row("seconds a reply", *(f"{figures['speed'][name]['seconds']:.2f}" for name in names))
    return table
