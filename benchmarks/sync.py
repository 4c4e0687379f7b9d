"""How long a sync takes over generated documents: all new, nothing changed, one changed.

    python -m benchmarks.sync --documents 1000

Runs the real folder source, converter, chunker, embedder, catalog and Chroma in a scratch home.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
from pathlib import Path

from bot.assembly import Assembly
from bot.indexing import sync_sources
from bot.settings import Settings
from bot.source_settings import FolderSettings
from knowledge.sync import SyncOptions, SyncReport

_WORDS = """
    pump valve order refund customer shift parcel stove kettle invoice policy team budget server backup
    contract visit holiday safety battery lantern price label carrier window meeting review deadline
"""
WORDS = _WORDS.split()


def main() -> None:
    """Print one line a sync."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", type=int, default=1000)
    options.add_argument("--models", type=Path, help="a folder with models made ready before")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        documents = folder / "documents"
        documents.mkdir()
        for number in range(chosen.documents):
            (documents / f"page-{number:05}.md").write_text(page(number), encoding="utf-8")
        source = FolderSettings(name="pages", kind="folder", path=documents)
        settings = Settings(home=folder / "home", sources=(source,))
        assembly = Assembly(settings, print, models=chosen.models)
        show("all new", run(assembly))
        show("nothing changed", run(assembly))
        changed = documents / "page-00007.md"
        changed.write_text(
            changed.read_text(encoding="utf-8") + "\n## Added\n\nOne more section.\n", encoding="utf-8"
        )
        show("one document changed", run(assembly))
        assembly.vectors.close()
        assembly.catalog.close()


def page(number: int) -> str:
    """One Markdown document of three sections, the same for the same number."""
    chance = random.Random(number)
    sections = [
        f"## Section {part}\n\n" + " ".join(chance.choices(WORDS, k=80)).capitalize() + f" {number}.{part}.\n"
        for part in range(3)
    ]
    return f"# Page {number}\n\n" + "\n".join(sections)


def run(assembly: Assembly) -> SyncReport:
    """Sync once and return the report."""
    sources = tuple(assembly.sources.values())
    outcomes = sync_sources(
        assembly.synchronizer, sources, SyncOptions(), False, lambda progress: None, threading.Event()
    )
    report = outcomes[0].report
    assert report is not None, outcomes[0].error
    return report


def show(label: str, report: SyncReport) -> None:
    """Print what a sync did and how long it took."""
    print(
        f"{label:22} {report.seconds:7.2f} s   {report.passages_embedded:6} passages embedded   "
        f"{report.passages_live:6} live",
        flush=True,
    )


if __name__ == "__main__":
    main()
