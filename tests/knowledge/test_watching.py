"""A watched folder tells of changes to documents within a moment, whatever happens to the folder itself."""

from __future__ import annotations

import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from knowledge.sources.selection import EXCLUDED_BY_DEFAULT, Selection
from knowledge.watching import FolderWatch

CEILING = 30.0
QUIET = 0.4  # longer than it takes for a change to be told


class Watching:
    """A watch in its own thread, and what it has told."""

    def __init__(self, folder: Path, *, poll: bool = False, exclude: tuple[str, ...] = ()) -> None:
        selection = Selection(("**/*",), EXCLUDED_BY_DEFAULT + exclude)
        self.watch = FolderWatch(folder, selection, poll)
        self.told: queue.Queue[None] = queue.Queue()
        self.announced: list[str] = []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        for _ in self.watch.changes(self.stopped, self.announced.append):
            self.told.put(None)

    def wait(self) -> None:
        self.told.get(timeout=CEILING)

    def is_quiet(self) -> bool:
        try:
            self.told.get(timeout=QUIET)
        except queue.Empty:
            return True
        return False

    def stop(self) -> None:
        self.stopped.set()
        self.thread.join(CEILING)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    return folder


@pytest.fixture
def watching(folder: Path) -> Iterator[Watching]:
    """A watch of a folder that has told that it began."""
    watching = Watching(folder, exclude=("drafts",))
    watching.wait()
    yield watching
    watching.stop()


def test_the_beginning_is_told_since_nobody_knows_what_happened_before(folder: Path) -> None:
    watching = Watching(folder)
    watching.wait()
    watching.stop()
    assert watching.announced == []


def test_a_saved_document_is_told(watching: Watching, folder: Path) -> None:
    (folder / "page.md").write_text("One.")
    watching.wait()


def test_a_document_in_a_folder_made_later_is_told(watching: Watching, folder: Path) -> None:
    (folder / "later").mkdir()
    watching.wait()
    (folder / "later" / "page.md").write_text("One.")
    watching.wait()


def test_a_document_that_is_moved_or_deleted_is_told(watching: Watching, folder: Path) -> None:
    (folder / "page.md").write_text("One.")
    watching.wait()
    (folder / "page.md").rename(folder / "other.md")
    watching.wait()
    (folder / "other.md").unlink()
    watching.wait()


def test_files_saved_together_are_one_change(watching: Watching, folder: Path) -> None:
    for n in range(20):
        (folder / f"{n}.md").write_text("One.")
    watching.wait()
    assert watching.is_quiet()


@pytest.mark.parametrize("name", [".page.md.swp", "page.tmp", "catalog.sqlite-wal", "drafts/page.md"])
def test_files_that_are_no_documents_are_not_told(watching: Watching, folder: Path, name: str) -> None:
    (folder / "drafts").mkdir()
    (folder / name).write_text("One.")
    assert watching.is_quiet()


def test_a_folder_that_goes_and_comes_back_is_followed_again(watching: Watching, folder: Path) -> None:
    shutil.rmtree(folder)
    watching.wait()
    folder.mkdir()
    watching.wait()
    (folder / "page.md").write_text("One.")
    watching.wait()


def test_a_folder_that_another_one_replaces_is_followed(watching: Watching, folder: Path) -> None:
    other = folder.with_name("other")
    other.mkdir()
    folder.rename(folder.with_name("old"))
    other.rename(folder)
    while not watching.is_quiet():
        pass
    (folder / "page.md").write_text("One.")
    watching.wait()


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    watching = Watching(tmp_path / "later")
    assert watching.is_quiet()
    (tmp_path / "later").mkdir()
    watching.wait()
    watching.stop()


def test_without_events_files_are_looked_at(folder: Path) -> None:
    watching = Watching(folder, poll=True)
    watching.wait()
    (folder / "page.md").write_text("One.")
    watching.wait()
    watching.stop()
    assert watching.announced == []


OUT_OF_DESCRIPTORS = """
import resource, sys, threading
from pathlib import Path
import watchfiles
from knowledge.sources.selection import Selection
from knowledge.watching import FolderWatch

limits = resource.getrlimit(resource.RLIMIT_NOFILE)
stopped, folder = threading.Event(), Path(sys.argv[1])

def announced(line):
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    print(line)

changes = FolderWatch(folder, Selection(("**/*",), ())).changes(stopped, announced)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
next(changes)
(folder / "page.md").write_text("One.")
next(changes)
stopped.set()
"""


def test_where_the_system_refuses_events_files_are_looked_at_and_one_line_says_so(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_DESCRIPTORS, str(folder)],
        capture_output=True,
        text=True,
        timeout=2 * CEILING,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"The folder {folder} cannot be watched by events (")
    assert "Too many open files" in line
    assert line.endswith("its files are looked at every 2 seconds instead.")
