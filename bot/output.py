"""What the commands print for people, with Rich."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from bot.doctor import Finding
from bot.indexing import OnProgress, SourceOutcome
from bot.status import ModelServerStatus, SourceStatus, Status
from bot.vector_server import VectorServerStatus
from knowledge.documents import FoundPassage
from knowledge.editions import Rebuilding
from knowledge.sync_report import SyncProgress, SyncReport

EXCERPT_CHARACTERS = 280
NAMES_SHOWN = 10
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PHASES = {"listing": "Listing", "documents": "Indexing", "index": "Building the vector index"}


@contextmanager
def counting_bar(console: Console, label: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar; call what it yields once for each thing done."""
    with _bar(console) as progress:
        task = progress.add_task(label, total=total, uri="")
        yield lambda: progress.advance(task)


@contextmanager
def sync_bar(console: Console) -> Iterator[OnProgress]:
    """A progress bar for a sync, with a line for each source."""
    with _bar(console) as progress:
        tasks: dict[str, TaskID] = {}

        def show(step: SyncProgress) -> None:
            if step.source not in tasks:
                tasks[step.source] = progress.add_task(step.source, total=None, uri="")
            progress.update(
                tasks[step.source],
                description=f"{_PHASES[step.phase]} {step.source}",
                completed=step.done,
                total=step.total or None,
                uri=shown(step.uri),
            )

        yield show


@contextmanager
def stages_bar(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for each stage; call what it yields with stage, steps done and steps in all."""
    with _bar(console) as progress:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, uri="")
            progress.update(tasks[stage], completed=done, total=total)

        yield show


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[uri]}"),
        console=console,
        transient=True,
    )


def shown(text: str) -> str:
    """Text from outside as a terminal may show it: no markup, and nothing that steers the terminal."""
    return escape(_CONTROL_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", text))


def print_outcomes(outcomes: Sequence[SourceOutcome], console: Console) -> None:
    """Say for each source what was added, changed and removed, by name, and what failed and why."""
    for outcome in outcomes:
        if outcome.report is None:
            console.print(f"[bold]{outcome.source}[/bold]: [red]{shown(outcome.error)}[/red]")
        else:
            _print_report(outcome.report, console)


def _print_report(report: SyncReport, console: Console) -> None:
    words = "cancelled; the next sync goes on from here" if report.cancelled else "up to date"
    console.print(
        f"[bold]{report.source}[/bold] {words}: {len(report.added)} added, {len(report.changed)} changed, "
        f"{len(report.removed)} removed, {report.unchanged} unchanged, {len(report.failed)} failed "
        f"({report.passages_embedded} passages embedded, {report.passages_live:,} live, "
        f"{report.seconds:.1f} s)",
        highlight=False,
        soft_wrap=True,
    )
    for label, uris in (("added", report.added), ("changed", report.changed), ("removed", report.removed)):
        for uri in uris[:NAMES_SHOWN]:
            console.print(f"  {label:8} {shown(uri)}", highlight=False, soft_wrap=True)
        if len(uris) > NAMES_SHOWN:
            console.print(
                f"  {label:8} … and {len(uris) - NAMES_SHOWN} more", highlight=False, soft_wrap=True
            )
    for failure in report.failed:
        console.print(f"  [red]failed[/red]   {shown(failure.uri)}: {shown(failure.error)}", highlight=False)
    if report.still_failing:
        console.print(f"  {report.still_failing} failed before and have not changed; see `lorebot status`")


def print_passages(passages: Sequence[FoundPassage], console: Console) -> None:
    """The passages with their ranks and the beginning of their text."""
    if not passages:
        console.print("Nothing found. `lorebot status` shows what is indexed.")
    for number, passage in enumerate(passages, start=1):
        where = shown(passage.title) + (f" › {shown(passage.heading)}" if passage.heading else "")
        console.print(
            f"[bold]{number}. {where}[/bold]  [dim]{shown(passage.uri)}[/dim]\n"
            f"   score {passage.score:.3f} · dense {_rank(passage.dense_rank)} "
            f"(cosine {passage.dense_score:.3f}) · lexical {_rank(passage.lexical_rank)} "
            f"(BM25 {passage.lexical_score:.2f})",
            highlight=False,
        )
        text = " ".join(passage.text.split())
        excerpt = text[:EXCERPT_CHARACTERS] + ("…" if len(text) > EXCERPT_CHARACTERS else "")
        console.print(f"   {shown(excerpt)}\n", highlight=False, soft_wrap=True)


def _rank(rank: int | None) -> str:
    return f"#{rank}" if rank is not None else "-"


def sources_table(sources: Sequence[SourceStatus]) -> Table:
    """A line for each source: how much of it is indexed, and how it is doing."""
    table = Table("Source", "Documents", "Passages", "Unreadable", "Health", box=None, pad_edge=False)
    for source in sources:
        table.add_row(
            source.name + ("" if source.configured else " (no longer configured)"),
            f"{source.documents:,}",
            f"{source.passages:,}",
            f"{len(source.failing):,}",
            shown(source.health),
        )
    return table


def print_status(status: Status, console: Console) -> None:
    """The state of the home as two small tables, and what cannot be read between them."""
    console.print(sources_table(status.sources))
    if status.sources and not status.serving:
        console.print(
            "No process keeps the index current: `lorebot serve` does.", highlight=False, markup=False
        )
    for source in status.sources:
        for failing in source.failing:
            console.print(f"[red]cannot be read[/red]  {shown(failing)}", highlight=False, soft_wrap=True)
    name, version, _ = status.adapter
    facts = {
        "Home": status.home,
        "Index": f"{status.documents:,} documents, {status.passages:,} passages, generation "
        f"{status.index_generation}",
        "Kept current by": status.leader,
        **_rebuilding(status.rebuilding),
        **_vector_server(status.vector_server),
        "Embedding model": status.embedding_model,
        "Base model": status.generation_model,
        **_model_server(status.model_server),
        "Active adapter": f"{name}@{version}" if version else f"{name} (no adapter)",
        **{f"  in {voice.place}": voice.speaks for voice in status.voices[1:]},
        "Adapters": ", ".join(status.adapters) or "none installed",
    }
    print_facts(facts, console)
    for problem in dict.fromkeys(voice.problem for voice in status.voices if voice.problem):
        console.print(f"[red]cannot speak[/red]  {shown(problem)}", highlight=False, soft_wrap=True)


def _rebuilding(rebuilding: Rebuilding | None) -> dict[str, str]:
    if rebuilding is None:
        return {}
    done = f"{rebuilding.documents:,} of about {rebuilding.total:,} documents, beside the index that answers"
    waiting = (
        f"; takes over after a whole sync of {', '.join(rebuilding.waiting)}" if rebuilding.waiting else ""
    )
    return {"Rebuilding": done + waiting}


def _vector_server(server: VectorServerStatus | None) -> dict[str, str]:
    if server is None:
        return {}
    return {"Vectors": f"searched exactly: {server.problem}" if server.problem else f"on {server.url}"}


def _model_server(server: ModelServerStatus | None) -> dict[str, str]:
    if server is None:
        return {}
    facts = {"Answers": f"{server.model} at {server.url}", "Voices there": server.voices}
    if server.failing_since:
        instead = "the base model above answers" if server.fallback == "local" else "evidence is quoted"
        facts["  failing"] = f"since {server.failing_since:%Y-%m-%d %H:%M} UTC, {instead}: {server.reason}"
    if server.limit:
        money = f" for {server.money_today:,.2f}" if server.money_today else ""
        facts["  spent today"] = f"{server.tokens_today:,} tokens{money}, of {server.limit}"
    return facts


def print_metrics(metrics: Mapping[str, float | int | None], console: Console) -> None:
    """Every metric that the set could give."""
    print_facts(
        {
            name: f"{value:.3f}" if isinstance(value, float) else str(value)
            for name, value in metrics.items()
            if value is not None
        },
        console,
    )


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """What the doctor found; each problem with how to mend it."""
    for finding in findings:
        sign = "[red]✗[/red]" if finding.is_problem else "[green]✓[/green]"
        console.print(f"{sign} {shown(finding.what)}", highlight=False, soft_wrap=True)
        if finding.fix:
            console.print(f"  → {shown(finding.fix)}", highlight=False, soft_wrap=True)


def print_facts(facts: Mapping[str, str], console: Console) -> None:
    """A line for each fact that has a value."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value:
            table.add_row(name, shown(value))
    if table.row_count:
        console.print(table)


def print_line(markup: str, console: Console) -> None:
    """One line as it is written, however wide the terminal is."""
    console.print(markup, highlight=False, soft_wrap=True)
