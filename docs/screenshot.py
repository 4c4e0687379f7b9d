"""Ask the example company a real question and draw what the terminal shows.

python docs/screenshot.py "How much is the titanium Badger 6 now?" docs/answer.svg
"""

from __future__ import annotations

import asyncio
import io
import re
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bot.assembly import Assembly
from bot.settings import load_settings
from connectors.terminal import collect_answer, print_sources, styled, terminal_question

WIDTH = 132
CONFIG = Path(__file__).parents[1] / "examples" / "lorebot.toml"


async def picture_of(question: str) -> str:
    """Answer `question` and return what the terminal shows as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    assembly = Assembly(load_settings(CONFIG), print)
    await assembly.warm_up()
    console.print(f'[dim]$[/dim] lorebot ask "{question}"')
    asked = terminal_question(question, frozenset({"everyone"}))
    answer = await collect_answer(assembly.assistant(assembly.voices.adapter_at), asked)
    await assembly.close()
    documents = str(CONFIG.parent / "documents")
    shown = tuple(replace(c, url=(c.url or "").replace(documents, "/team")) for c in answer.citations)
    console.print(styled(answer.text), highlight=False)
    print_sources(replace(answer, citations=shown), console)
    picture = console.export_svg(title="lorebot")
    # The picture takes a font of the reader's machine: nothing is fetched when it is looked at.
    return re.sub(r"@font-face\s*\{.*?\}", "", picture, flags=re.DOTALL)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(asyncio.run(picture_of(sys.argv[1])), encoding="utf-8")
