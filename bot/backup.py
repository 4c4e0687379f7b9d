"""`lorebot backup`: one file with all that a home cannot get anew, taken while Lorebot runs."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from bot.archive import (
    ADAPTERS,
    CATALOG,
    EDITION,
    JOURNAL,
    SCHEDULE,
    BackupCancelledError,
    BackupError,
    Manifest,
    OnBytes,
    measure,
    read_manifest,
    write_archive,
)
from bot.database import BUSY_SECONDS, journal_url
from bot.migrations import HEAD
from knowledge.edition_folders import ABOUT
from knowledge.edition_folders import CATALOG as CATALOG_FILE
from knowledge.postgres import postgres_url, shown
from knowledge.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from bot.assembly import Assembly
    from bot.settings import Settings

# Of the tables that Slack's own library keeps in the journal's database: they hold tokens.
SECRET_TABLES = ("slack_bots", "slack_installations", "slack_oauth_states")

# What an adapter that is being installed or removed lies in meanwhile.
_PASSING = (".arriving-", ".leaving-", ".partial-")

# How many of SQLite's steps pass between two looks at whether to stop.
_STEPS = 200_000


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What was written; `elsewhere` is the URL, without its password, of a journal that is in Postgres."""

    file: Path
    size: int
    manifest: Manifest
    elsewhere: str | None


def back_up(assembly: Assembly, file: Path, on_bytes: OnBytes, cancelled: threading.Event) -> BackedUp:
    """Write the backup of a home, in the place of an earlier backup of that name.

    Each database is copied as it is at one moment (https://sqlite.org/lang_vacuum.html, "VACUUM INTO"), while
    others read and write. Derived vectors, prepared models, what sources keep between runs, and secrets are
    left out. Raises `BackupError`, `JournalError`, `KnowledgeError`, `OSError` and `BackupCancelledError`.
    """
    if assembly.settings.catalog.url is not None:
        raise BackupError(
            "The index is in Postgres, and so are the journal and the schedule: `pg_dump --format=custom "
            f"--file=lorebot.dump {shown(postgres_url(assembly.settings.catalog.url))}` saves them (and "
            "the same of journal.url, if that is another database); copy the folder "
            f"{assembly.settings.generation.adapters} beside it."
        )
    _check_target(file)
    staging = assembly.layout.backup
    lock = FileLock(staging.with_name("backup.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BackupError(f"Another backup of {assembly.layout.home} is being made: wait for it.") from None
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        manifest = _collect(assembly, staging, cancelled)
        write_archive(file, manifest, staging, on_bytes, cancelled)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        lock.release()
    return BackedUp(file, file.stat().st_size, manifest, _elsewhere(assembly.settings))


def journal_file(settings: Settings, path: Path) -> Path | None:
    """The journal's SQLite file, None when the settings name a Postgres database."""
    url = journal_url(settings.journal.url, path)
    return Path(url.database or "").absolute() if url.get_backend_name() == "sqlite" else None


def _elsewhere(settings: Settings) -> str | None:
    url = journal_url(settings.journal.url, Path())
    if url.get_backend_name() == "sqlite":
        return None
    return shown(url)


def _check_target(file: Path) -> None:
    if not file.parent.is_dir():
        raise BackupError(f"The folder {file.parent} does not exist: make it, or name another file.")
    if file.exists():
        try:
            read_manifest(file)
        except (BackupError, OSError):
            raise BackupError(
                f"{file} exists and is no backup: it is left alone; name another file."
            ) from None


def _collect(assembly: Assembly, staging: Path, cancelled: threading.Event) -> Manifest:
    """Put what belongs into a backup into a folder."""
    journal = journal_file(assembly.settings, assembly.layout.journal)
    if journal is not None:
        _ = assembly.journal  # made and migrated, if it was not
        _copy_database(journal, staging / JOURNAL, cancelled)
        _keep_no_secrets(staging / JOURNAL)
    _ = assembly.jobs
    _copy_database(assembly.layout.jobs, staging / SCHEDULE, cancelled)
    folder = assembly.settings.generation.adapters
    if folder is not None and folder.is_dir():
        shutil.copytree(folder, staging / ADAPTERS, ignore=_passing, copy_function=_copy_file)
    with assembly.editions.reading() as edition:
        (staging / EDITION).parent.mkdir()
        folder = assembly.layout.index / edition.name
        shutil.copyfile(folder / ABOUT, staging / EDITION)
        _copy_database(folder / CATALOG_FILE, staging / CATALOG, cancelled)
        counts = edition.catalog.counts()
    return Manifest(
        lorebot=version("lorebot"),
        made_at=datetime.now(UTC),
        journal=None if journal is None else HEAD,
        catalog_schema=SCHEMA_VERSION,
        documents=counts.documents,
        passages=counts.passages,
        adapters=_installed(staging / ADAPTERS),
        members=measure(staging, cancelled),
    )


def _copy_database(path: Path, copy: Path, cancelled: threading.Event) -> None:
    """Copy what an SQLite file holds at one moment, without pages that nothing uses any more."""
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
        connection.set_progress_handler(cancelled.is_set, _STEPS)
        try:
            connection.execute("VACUUM INTO ?", (str(copy),))
        except sqlite3.Error as error:
            if cancelled.is_set():
                raise BackupCancelledError from None
            raise BackupError(
                f"{path} cannot be copied ({error}): check the disk, and see `lorebot doctor`."
            ) from error


def _keep_no_secrets(journal: Path) -> None:
    """Take tokens out of a copy of the journal, and what is in flight: its own process sees to that.

    Without that, a home that is restored would answer once more what was asked when the backup was made.
    """
    with closing(sqlite3.connect(journal)) as connection, connection:
        connection.execute("PRAGMA secure_delete = ON")
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table in tables.intersection(SECRET_TABLES):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - a name from the tuple above
        unfinished = "UPDATE deliveries SET done_at = ?, payload = '{}' WHERE done_at IS NULL"
        connection.execute(unfinished, (time.time(),))
        connection.execute("DELETE FROM owners")


def _copy_file(source: str, target: str) -> None:
    if Path(source).is_file() and not Path(source).is_symlink():
        shutil.copyfile(source, target)


def _passing(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(_PASSING) or (Path(folder) / name).is_symlink()]


def _installed(adapters: Path) -> tuple[str, ...]:
    """`name@version` of what lies in a folder of adapters."""
    versions = sorted(adapters.glob("*/*/manifest.json"))
    return tuple(
        f"{path.parts[-3]}@{path.parts[-2]}" for path in versions if not path.parts[-3].startswith(".")
    )
