"""How long a sync takes over generated documents: all new, nothing changed, some changed.

    python -m benchmarks.sync --documents 1000
    python -m benchmarks.sync --documents 10000 --sections 1 --changed 10 100 1000

Runs the real folder source, converter, chunker, embedder, catalog and Chroma in a scratch home.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
from pathlib import Path

from bot.assembly import Assembly
from bot.indexing import sync_sources
from bot.settings import Settings
from bot.source_settings import FolderSettings
from knowledge.sync_report import SyncOptions, SyncReport

_WORDS = """
    pump valve order refund customer shift parcel stove kettle invoice policy team budget server backup
    contract visit holiday safety battery lantern price label carrier window meeting review deadline
"""
WORDS = _WORDS.split()


def main() -> None:
    """Print one line a sync."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--documents", type=int, default=1000)
    options.add_argument("--sections", type=int, default=3, help="in a document, of 80 words each")
    options.add_argument(
        "--changed", type=int, nargs="+", default=[1], help="how many, one sync after another"
    )
    options.add_argument("--json", action="store_true", help="print each sync as a line of JSON")
    options.add_argument("--models", type=Path, help="a folder with models made ready before")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        documents = folder / "documents"
        documents.mkdir()
        for number in range(chosen.documents):
            (documents / f"page-{number:05}.md").write_text(page(number, chosen.sections), encoding="utf-8")
        source = FolderSettings(name="pages", kind="folder", path=documents)
        settings = Settings(home=folder / "home", sources=(source,))
        assembly = Assembly(settings, print, models=chosen.models)
        show = as_json if chosen.json else as_row
        show("all new", run(assembly))
        show("nothing changed", run(assembly))
        for count in chosen.changed:
            # Spread over the folder, as changes are.
            for file in sorted(documents.iterdir())[:: chosen.documents // count][:count]:
                text = file.read_text(encoding="utf-8")
                file.write_text(f"{text}\n## Added\n\nOne of {count} more sections.\n", encoding="utf-8")
            show(f"{count} changed", run(assembly))
        assembly.editions.close()


def page(number: int, sections: int = 3) -> str:
    """One Markdown document of some sections, the same for the same number."""
    chance = random.Random(number)
    parts = [
        f"## Section {part}\n\n" + " ".join(chance.choices(WORDS, k=80)).capitalize() + f" {number}.{part}.\n"
        for part in range(sections)
    ]
    return f"# Page {number}\n\n" + "\n".join(parts)


def run(assembly: Assembly) -> SyncReport:
    """Sync once and return the report."""
    sources = tuple(assembly.sources.values())
    outcomes = sync_sources(
        assembly.synchronizer.sync, sources, SyncOptions(), lambda progress: None, threading.Event()
    )
    report = outcomes[0].report
    assert report is not None, outcomes[0].error
    return report


def as_row(label: str, report: SyncReport) -> None:
    """Print what a sync did and how long it took."""
    print(
        f"{label:22} {report.seconds:7.2f} s   {report.passages_embedded:6} passages embedded   "
        f"{report.passages_live:6} live",
        flush=True,
    )


def as_json(label: str, report: SyncReport) -> None:
    """Print the same as a line of JSON."""
    numbers = {
        "what": label,
        "seconds": round(report.seconds, 3),
        "passages_embedded": report.passages_embedded,
        "passages_live": report.passages_live,
    }
    print(json.dumps(numbers), flush=True)


if __name__ == "__main__":
    main()
