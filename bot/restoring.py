"""`lorebot restore`: a home becomes what a backup holds, wholly or not at all.

Everything is checked and laid ready in `restore/` first. Then one small file, `restore/ready.json`, says
what is to be done: from that moment on the home is the new one, and whoever opens it does, or goes on with,
what the file says before anything else. Each step may be done twice.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from bot.archive import (
    ADAPTERS,
    CATALOG,
    EDITION,
    JOURNAL,
    SCHEDULE,
    BackupError,
    Manifest,
    OnBytes,
    flush_folder,
    read_manifest,
    unpack,
)
from bot.backup import journal_file
from bot.home import HomeLayout
from bot.migrations import HEAD, VERSION_TABLE, is_known
from knowledge.edition_folders import ABOUT, LIVE, create, read_about, write_in_one_step
from knowledge.edition_folders import CATALOG as CATALOG_FILE
from knowledge.locking import Lease
from knowledge.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from bot.settings import Settings

_UNPACKED = "unpacked"
_DATABASE_FILES = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Restored:
    """What a home was made from. `elsewhere`: the journal was in Postgres and is in no backup."""

    file: Path
    manifest: Manifest
    elsewhere: bool


def restore(
    settings: Settings, file: Path, force: bool, on_bytes: OnBytes, cancelled: threading.Event
) -> Restored:
    """Make the home of the settings what a backup holds; one that holds something only with `force`.

    Raises `BackupError`, `OSError` and `BackupCancelledError`, and has then changed nothing.
    """
    layout = HomeLayout(settings.home, settings.home / "models")
    layout.home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_lock_path(layout.home))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BackupError(f"{layout.home} is being restored already: wait for it.") from None
    with ExitStack() as held:
        held.callback(lock.release)
        _finish(layout)
        _check_home(settings, layout, read_manifest(file), force)
        for lease in _alone(layout):
            held.callback(lease.release)
        held.callback(_clear_unfinished, layout)
        _clear_unfinished(layout)
        unpacked = layout.restore / _UNPACKED
        unpacked.mkdir(parents=True, mode=0o700)
        manifest = unpack(file, unpacked, on_bytes, cancelled)
        _check_databases(file, unpacked)
        plan = _plan(settings, layout, unpacked)
        for folder in {path.parent for path in unpacked.rglob("*")}:
            flush_folder(folder)
        write_in_one_step(layout.decided_restore, json.dumps(plan))
        _finish(layout)
    return Restored(file, manifest, manifest.journal is None)


def finish_restore(layout: HomeLayout) -> None:
    """Do the rest of a restore that died after it was decided."""
    with FileLock(_lock_path(layout.home)):
        _finish(layout)


def _lock_path(home: Path) -> Path:
    return home / "restore.lock"


def _finish(layout: HomeLayout) -> None:
    """Do what is decided, if something is."""
    try:
        plan = json.loads(layout.decided_restore.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    for old in plan["remove"]:
        _remove(layout.home / old)
    folders = {layout.home}
    for name, target in plan["put"].items():
        path = layout.home / target
        path.parent.mkdir(parents=True, exist_ok=True)
        _put(layout.restore / _UNPACKED / name, path)
        folders.update(parent for parent in path.parents if parent.is_relative_to(layout.home))
        folders.add(path.parent)
    for folder in folders:
        flush_folder(folder)
    layout.decided_restore.unlink()
    flush_folder(layout.restore)  # else a power cut could have it done once more, much later
    _clear_unfinished(layout)


def _check_home(settings: Settings, layout: HomeLayout, manifest: Manifest, force: bool) -> None:
    if settings.catalog.url is not None:
        raise BackupError(
            "catalog.url names a Postgres database, which pg_restore restores from its own dump: remove it "
            "from the settings to restore a home."
        )
    journal = journal_file(settings, layout.journal)
    if manifest.journal is not None and journal is None:
        raise BackupError(
            "The backup holds a journal, but journal.url names a Postgres database, which is not restored "
            "from a file of Lorebot: remove journal.url, or use a backup that was made with it."
        )
    adapters = _adapters_folder(settings, layout)
    inside = [
        layout.index,
        layout.jobs,
        layout.home / CATALOG_FILE,
        *([adapters] if adapters.is_relative_to(layout.home) else []),
    ]
    held = [path.name for path in (*inside, *([journal] if journal else [])) if path.exists()]
    if held and not force:
        raise BackupError(
            f"{layout.home} is not empty (it holds {', '.join(held)}): name another home in LOREBOT_HOME, or "
            "replace what is there with --force."
        )
    needed, free = manifest.size, shutil.disk_usage(layout.home).free
    if needed > free:
        raise BackupError(
            f"The disk of {layout.home} has {free / 1e6:,.0f} MB left, and {needed / 1e6:,.0f} MB are "
            "needed: free some space."
        )


def _alone(layout: HomeLayout) -> Iterator[Lease]:
    """A lease on each edition of the old index that nobody else gets before it is let go of."""
    folders = sorted(layout.index.iterdir()) if layout.index.is_dir() else []
    for folder in folders:
        if (folder / ABOUT).is_file():
            lease = Lease.alone(folder)
            if lease is None:
                raise BackupError(
                    f"{layout.home} is in use: stop `lorebot serve` and every other lorebot command first."
                )
            yield lease


def _check_databases(file: Path, unpacked: Path) -> None:
    """Whether this Lorebot can use them: SQLite finds them sound, and no newer Lorebot made them."""
    for name in (JOURNAL, SCHEDULE, CATALOG):
        if not (unpacked / name).exists():
            continue
        try:
            with closing(sqlite3.connect(unpacked / name)) as connection:
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                _check_version(file, name, connection)
        except sqlite3.Error as error:
            found = str(error)
        if found != "ok":
            raise BackupError(f"{file} is damaged ({name}: {found}): nothing was restored; use another one.")
    try:
        read_about((unpacked / EDITION).parent)
    except FileNotFoundError as error:
        raise BackupError(f"{file} is damaged ({EDITION} says nothing): use another backup.") from error


def _check_version(file: Path, name: str, connection: sqlite3.Connection) -> None:
    found: object = None
    if name == CATALOG:
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        found = schema if schema > SCHEMA_VERSION else None
    elif name == JOURNAL:
        (revision,) = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608
        found = revision if not is_known(revision) else None
    if found is not None:
        raise BackupError(
            f"{file} was made by a newer Lorebot ({name} has schema {found}, this one knows up to "
            f"{SCHEMA_VERSION if name == CATALOG else HEAD}): restore it with that one."
        )


def _plan(settings: Settings, layout: HomeLayout, unpacked: Path) -> dict[str, object]:
    """What to remove, and which unpacked file to put where; paths in the home are relative to it.

    What sources keep between runs goes too: it may know of documents that the older index does not have.
    """
    name = create(unpacked / "editions", *read_about((unpacked / EDITION).parent))
    (unpacked / CATALOG).rename(unpacked / "editions" / name / CATALOG_FILE)
    (unpacked / "editions" / LIVE).write_text(f"{name}\n", encoding="utf-8")
    shutil.rmtree((unpacked / EDITION).parent)
    journal = journal_file(settings, layout.journal)
    adapters = _adapters_folder(settings, layout)
    targets = {"editions": layout.index, SCHEDULE: layout.jobs, ADAPTERS: adapters}
    # The catalog of a home without editions would be taken for an index that is to be adopted.
    older = _files_of(layout.home / CATALOG_FILE)
    remove = [layout.index, *older, layout.sources, layout.running, *_files_of(layout.jobs)]
    if journal is not None:
        targets[JOURNAL] = journal
        remove += _files_of(journal)
    shared = not adapters.is_relative_to(layout.home)
    if not shared:
        remove.append(adapters)
    put = {}
    for path in sorted(path for path in unpacked.rglob("*") if path.is_file()):
        first, *rest = path.relative_to(unpacked).parts
        target = targets[first].joinpath(*rest)
        # Versions of adapters never change; a folder that several homes may share loses none.
        if not (shared and first == ADAPTERS and target.exists()):
            put["/".join((first, *rest))] = _shown(target, layout.home)
    return {"remove": [_shown(path, layout.home) for path in remove], "put": put}


def _files_of(database: Path) -> list[Path]:
    """An SQLite file with those beside it, which would be taken for the new one's."""
    return [database.with_name(database.name + suffix) for suffix in reversed(_DATABASE_FILES)]


def _adapters_folder(settings: Settings, layout: HomeLayout) -> Path:
    return settings.generation.adapters or layout.home / ADAPTERS


def _shown(path: Path, home: Path) -> str:
    return str(path.relative_to(home) if path.is_relative_to(home) else path)


def _put(source: Path, target: Path) -> None:
    """Let `target` be this file, in one step; `source` stays, for another time."""
    new = target.with_name(f".{target.name}.restored")
    new.unlink(missing_ok=True)
    try:
        os.link(source, new)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, new)
        with new.open("rb") as file:
            os.fsync(file.fileno())
    new.replace(target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _clear_unfinished(layout: HomeLayout) -> None:
    """Remove what was laid ready and nothing was decided about."""
    if not layout.decided_restore.exists():
        with suppress(FileNotFoundError):
            shutil.rmtree(layout.restore)
