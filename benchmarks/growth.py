"""What a passage takes, and a question that is asked for the first time: what sizing starts from.

    python -m benchmarks.growth examples/documents examples/questions.jsonl

Indexes the documents with `lorebot sync` into a scratch home, asks the questions of a real engine whose
evidence is quoted, each once, and keeps the answers in a journal as a platform does. Sizes are of the files,
in bytes; the processor's time is that of all threads.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from bot.assembly import Assembly
from bot.settings import load_settings, load_settings_or_defaults
from connectors.conversation import Answered, Asker, Place, Question
from connectors.ports import Delivery

_PLACE = Place("slack", "C1", frozenset({"everyone"}), "T1")
_SETTINGS = """
home = "{home}"

[[sources]]
name = "documents"
kind = "folder"
path = "{documents}"

# Nobody listens there, so that the evidence is quoted at once.
[generation]
url = "http://127.0.0.1:9/v1"
model = "none"
fallback = "quote"
retries = 0
"""


def index(config: Path) -> int:
    """Index the documents; how many passages there are then."""
    command = [sys.executable, "-c", "from bot.cli import main; main()", "--config", str(config)]
    subprocess.run([*command, "sync"], check=True, stdout=subprocess.DEVNULL)
    told = subprocess.run([*command, "status", "--json"], check=True, capture_output=True, text=True).stdout
    return sum(source["passages"] for source in json.loads(told)["sources"])


async def ask(config: Path, questions: list[str]) -> float:
    """Ask each question and keep what a platform has kept of it; the processor's seconds after the first."""
    assembly = Assembly(load_settings(config), lambda line: None)
    assistant = assembly.assistant(lambda place: "base")
    began = 0.0
    try:
        for number, text in enumerate(questions):
            # The first one loads the models.
            began = time.process_time() if number == 1 else began
            key = f"slack:T1/C1/{uuid.uuid4()}"
            await assembly.inbox.take(Delivery(key, "slack", {"text": text}))
            question = Question(key, text, Asker("U1"), _PLACE)
            async for event in assistant.answer(question):
                if isinstance(event, Answered):
                    await assembly.memory.remember(key, question, event.answer)
            await assembly.inbox.finish(key)
        return time.process_time() - began
    finally:
        await assembly.close()


def size(*paths: Path) -> int:
    """The bytes of files, and of all in folders."""
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    return sum(file.stat().st_size for file in files if file.is_file())


def measure(documents: Path, questions: list[str], home: Path) -> dict[str, Any]:
    """What both take."""
    home.mkdir()
    models = load_settings_or_defaults(None).home / "models"
    models.mkdir(parents=True, exist_ok=True)
    (home / "models").symlink_to(models)
    config = home.parent / "lorebot.toml"
    config.write_text(_SETTINGS.format(home=home, documents=documents.absolute()), encoding="utf-8")
    passages = index(config)
    journal = home / "journal.sqlite"
    asyncio.run(ask(config, []))
    empty = size(journal)
    seconds = asyncio.run(ask(config, questions))
    return {
        "documents": size(documents),
        "passages": passages,
        "index_bytes_a_passage": round(size(home / "index") / passages),
        "questions": len(questions),
        "journal_bytes_a_question": round((size(journal) - empty) / len(questions)),
        "processor_seconds_a_question": round(seconds / (len(questions) - 1), 2),
    }


def main() -> None:
    """Print what was measured as JSON."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("documents", type=Path)
    options.add_argument("questions", type=Path)
    given = options.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    lines = given.questions.read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as scratch:
        asked = [str(json.loads(line)["question"]) for line in lines]
        print(json.dumps(measure(given.documents, asked, Path(scratch) / "home")))


if __name__ == "__main__":
    main()
