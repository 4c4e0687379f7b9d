"""How long it takes from a saved file until an answer has changed, with `lorebot serve`'s own parts.

    python -m benchmarks.freshness --documents 1000

Saves a new fact into one of many documents of a watched folder, several times, and polls search until it is
found; `--answers` asks the assistant as well. The sync is over when all is written, which may be after the
fact is found.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from benchmarks.sync import page
from bot.assembly import Assembly
from bot.logs import open_log
from bot.serving import build_upkeep
from bot.settings import Settings
from bot.source_settings import FolderSettings
from connectors.terminal import collect_answer, terminal_question
from knowledge.documents import EVERYONE, Reader

_READER = Reader((frozenset({EVERYONE}),))
Ask = Callable[[str], str]

_POLL_SECONDS = 0.01
_STEP_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Freshness:
    """Seconds: until the sync began, the sync, and until search and answer have the fact, from the save on.

    `answered` is 0 where nobody asked; `longest_block` is how long the event loop was kept at most.
    """

    watch: float
    sync: float
    found: float
    answered: float
    longest_block: float


def main() -> None:
    """Print a line a save and the medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", type=int, default=1000)
    options.add_argument("--saves", type=int, default=10)
    options.add_argument("--answers", action="store_true", help="also time the assistant's answer")
    options.add_argument("--models", type=Path, help="a folder with models made ready before")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        documents = Path(scratch) / "documents"
        documents.mkdir()
        for number in range(chosen.documents):
            (documents / f"page-{number:05}.md").write_text(page(number), encoding="utf-8")
        source = FolderSettings(name="pages", kind="folder", path=documents)
        settings = Settings(home=Path(scratch) / "home", sources=(source,))
        assembly = Assembly(settings, print, models=chosen.models)
        asyncio.run(serve_and_measure(assembly, documents, chosen.saves, chosen.answers))


async def serve_and_measure(assembly: Assembly, documents: Path, saves: int, answers: bool) -> None:
    """Keep the index current on this event loop, and save files from a thread."""
    upkeep = await asyncio.to_thread(build_upkeep, assembly, open_log(sys.stderr, "warning"))
    service = asyncio.create_task(upkeep.run())
    blocks: list[float] = []
    watching = asyncio.create_task(note_blocks(blocks))
    try:
        if answers:
            await assembly.warm_up()
        ask = asker(assembly, asyncio.get_running_loop()) if answers else None
        await asyncio.to_thread(measure, assembly, documents, saves, ask, blocks)
    finally:
        service.cancel()
        watching.cancel()
        await asyncio.gather(service, watching, return_exceptions=True)
        await assembly.close()


def asker(assembly: Assembly, loop: asyncio.AbstractEventLoop) -> Ask:
    """What asks the assistant from another thread, and gives its answer's text."""
    assistant = assembly.speaking_as("base")

    def ask(question: str) -> str:
        answering = collect_answer(assistant, terminal_question(question, frozenset({EVERYONE}), ()))
        return asyncio.run_coroutine_threadsafe(answering, loop).result().text

    return ask


def measure(
    assembly: Assembly,
    documents: Path,
    saves: int,
    ask: Ask | None,
    blocks: list[float],
) -> None:
    """Save one file after the other, each when nothing runs."""
    while not (is_idle(assembly) and assembly.catalog.counts().documents == len(list(documents.iterdir()))):
        time.sleep(0.2)
    search(assembly, "warm up")
    if ask is not None:
        ask("What does page 1 say?")
    show([field.name for field in fields(Freshness)])
    measured = []
    for number in range(saves):
        time.sleep(3)
        blocks.clear()
        measured.append(one_save(assembly, documents / f"page-{number:05}.md", number, ask, blocks))
        show([f"{seconds:.2f}" for seconds in astuple(measured[-1])])
    columns = list(zip(*map(astuple, measured), strict=True))
    show([f"{statistics.median(column):.2f}" for column in columns], "median")
    show([f"{max(column):.2f}" for column in columns], "worst")


def one_save(
    assembly: Assembly,
    path: Path,
    number: int,
    ask: Ask | None,
    blocks: list[float],
) -> Freshness:
    """Save a fact that no document holds, and wait for it."""
    fact, question = f"QZ-{7000 + number}", f"What is the gate code of depot {number}?"
    before = assembly.catalog.last_syncs()["pages"].started_at
    text = path.read_text(encoding="utf-8")
    addition = f"\n## Depot {number}\n\nThe gate code of depot {number} is {fact}.\n"
    path.write_text(text + addition, encoding="utf-8")
    saved, clock = time.time(), time.monotonic()
    while fact not in search(assembly, question):
        time.sleep(_POLL_SECONDS)
    found, answered = time.monotonic() - clock, 0.0
    while ask is not None and not answered:
        if fact in ask(question):
            answered = time.monotonic() - clock
    while not is_idle(assembly) or assembly.catalog.last_syncs()["pages"].started_at == before:
        time.sleep(_POLL_SECONDS)
    run = assembly.catalog.last_syncs()["pages"]
    took = (run.finished_at - run.started_at).total_seconds() if run.finished_at else 0.0
    return Freshness(run.started_at.timestamp() - saved, took, found, answered, max(blocks))


def is_idle(assembly: Assembly) -> bool:
    """Whether the source was synced and no run is on."""
    run = assembly.catalog.last_syncs().get("pages")
    return run is not None and run.finished_at is not None


def search(assembly: Assembly, question: str) -> str:
    """What a search finds, as one text."""
    return " ".join(passage.text for passage in assembly.search.find(question, _READER, 5))


async def note_blocks(blocks: list[float]) -> None:
    """Note how much later than due the event loop came to this, again and again."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(_STEP_SECONDS)
        blocks.append(time.monotonic() - began - _STEP_SECONDS)


def show(values: list[str], label: str = "") -> None:
    """Print one row."""
    print(f"{label:8}" + "".join(f"{value:>15}" for value in values), flush=True)


if __name__ == "__main__":
    main()
