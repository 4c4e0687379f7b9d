"""Restores that are killed at each of their steps on the disk, and what the home then is.

Run as a program: `killed_restores.py FOLDER` prints, for each kill, "old" or "new", in JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from bot.archive import BackupError
from bot.assembly import Assembly
from bot.backup import back_up
from bot.home import HomeLayout
from bot.restoring import finish_restore, restore
from bot.settings import GenerationSettings, Settings
from knowledge.records import DocumentFailure

# What Python tells of that changes something on the disk.
STEPS = frozenset({"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link"})


def settings_of(home: Path) -> Settings:
    return Settings(home=home, generation=GenerationSettings(adapters=home / "adapters"))


def make_home(home: Path, mark: str) -> None:
    """A home of which each part says which one it is."""
    assembly = Assembly(settings_of(home), print)
    assembly.journal.append("mark", mark, "test", {})
    assembly.jobs.pause(mark)
    assembly.catalog.add_failures("s", [DocumentFailure(mark, "1", "no", datetime.now(UTC))])
    adapter = home / "adapters" / mark / "1"
    adapter.mkdir(parents=True)
    (adapter / "manifest.json").write_text(mark, encoding="utf-8")
    assembly.journal.close()
    assembly.jobs.close()
    assembly.editions.close()


def mark_of(home: Path) -> set[str]:
    """Which home each part is of."""
    (live,) = (home / "index" / "live").read_text(encoding="utf-8").split()
    queries = {
        home / "journal.sqlite": "SELECT subject FROM journal WHERE kind = 'mark'",
        home / "schedule.sqlite": "SELECT source FROM pauses",
        home / "index" / live / "catalog.sqlite": "SELECT uri FROM failures",
    }
    found = {path.name for path in (home / "adapters").iterdir()}
    for path, query in queries.items():
        with closing(sqlite3.connect(path)) as connection:
            found |= {row[0] for row in connection.execute(query)}
    return found


def make_backup(home: Path, file: Path) -> None:
    assembly = Assembly(settings_of(home), print)
    back_up(assembly, file, lambda more, total: None, threading.Event())
    assembly.journal.close()
    assembly.jobs.close()
    assembly.editions.close()


def restore_until(home: Path, file: Path, step: int) -> int:
    """Restore in a process of its own that is killed before a step; how it ended."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    seen = 0

    def count(event: str, _arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in STEPS:
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    restore(settings_of(home), file, True, lambda more, total: None, threading.Event())
    os._exit(0)


def main(folder: Path) -> list[str]:
    for mark in ("old", "new"):
        make_home(folder / mark, mark)
    file = folder / "backup.tar.gz"
    make_backup(folder / "new", file)
    home, ends = folder / "home", []
    while True:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(folder / "old", home)
        status = restore_until(home, file, len(ends) + 1)
        finish_restore(HomeLayout(home, home / "models"))
        ends.append("+".join(sorted(mark_of(home))))
        if status == 0:
            return ends
        if os.WTERMSIG(status) != signal.SIGKILL:
            raise BackupError(f"the restore ended with {status}")


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
