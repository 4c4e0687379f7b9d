"""What the commands about a home's data print for people, with Rich."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from bot.archive import OnBytes
from bot.backup import BackedUp
from bot.people import Erased, Person
from bot.restoring import Restored


@contextmanager
def bytes_bar(console: Console, label: str) -> Iterator[OnBytes]:
    """A progress bar; tell what it yields how many more bytes are done, of how many."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=None)

        def advance(more: int, total: int) -> None:
            progress.update(task, advance=more, total=total)

        yield advance


def print_backed_up(done: BackedUp, console: Console) -> None:
    """What is in the backup, and what is not."""
    kept = done.manifest
    adapters = f", {len(kept.adapters)} adapters" if kept.adapters else ""
    journal = "" if done.elsewhere else ", the journal"
    _line(
        console,
        f"{done.file}: {kept.documents:,} documents in {kept.passages:,} passages{journal}, the schedule"
        f"{adapters} ({done.size / 1e6:,.1f} MB).",
    )
    _line(console, "Secrets are not in it, and neither is lorebot.toml: keep those yourself.")
    if done.elsewhere:
        _line(
            console,
            "The journal is in Postgres and is NOT in this file. Back it up beside it: "
            f"pg_dump --format=custom --file=journal.dump {done.elsewhere}",
        )


def print_restored(done: Restored, home: str, console: Console) -> None:
    """What the home holds now."""
    kept = done.manifest
    _line(
        console,
        f"{home} is as it was on {kept.made_at.astimezone():%Y-%m-%d %H:%M}: {kept.documents:,} documents in "
        f"{kept.passages:,} passages, {len(kept.adapters)} adapters.",
    )
    _line(
        console,
        "What was forgotten or erased since then is known again: forget or erase it once more. "
        "`lorebot sync` brings the index up to date.",
    )
    if done.elsewhere:
        _line(
            console,
            "The journal was in Postgres when this backup was made: restore it from its own dump, with "
            "pg_restore.",
        )


def print_erased(person: Person, erased: Erased, adapters: tuple[str, ...], console: Console) -> None:
    """What was erased, and what only others can erase."""
    if not erased.anything:
        _line(console, f"Nothing is kept about {person}.")
    else:
        _line(
            console,
            f"Erased of {person}: {erased.answers} questions with their answers, {erased.judgements} "
            f"judgements, what {erased.deliveries} messages delivered, {erased.installations} installations. "
            f"{erased.acts} acts of administration no longer say whose they were.",
        )
    if adapters:
        _line(console, f"The cards of adapters that they made name them still: {', '.join(adapters)}.")
    _line(
        console,
        "Not erased, because Lorebot only copies it: what they wrote in documents and channels that are "
        "sources. Erase that there, then `lorebot sync`, or take it out with `lorebot documents forget`. "
        "Backups and logs that were made before are yours to delete.",
    )


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
