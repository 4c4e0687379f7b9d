"""`lorebot serve` as a process with a home of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from aiohttp import ClientError, ClientSession, ClientTimeout

from benchmarks.live.model import free_port

_MIB = 2**20
_STARTS_WITHIN_SECONDS = 600.0
_ENDS_WITHIN_SECONDS = 90.0

# Nobody is refused.
_SETTINGS = """
home = "{home}"

[[sources]]
name = "handbook"
kind = "folder"
path = "{documents}"

[serve]
health_port = {port}

[limits]
person_questions = 0
place_questions = 0

[generation]
{generation}
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """How a process is set up: its folder, what it reads, and where models lie that were made ready before.

    `generation` are lines of that table in `lorebot.toml`, `more` are tables after it.
    """

    folder: Path
    documents: Path
    models: Path
    generation: str
    more: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def log(self) -> Path:
        return self.folder / "serve.log"


class Served:
    """A process that serves, and what its pages and its log say."""

    def __init__(self, process: psutil.Popen, log: Path, port: int) -> None:
        self.process = process
        self._log = log
        self._url = f"http://127.0.0.1:{port}"

    @property
    def resident_mib(self) -> float:
        """What the process holds in memory, without what it shares with no page of its own."""
        return float(self.process.memory_info().rss) / _MIB

    @property
    def cpu_seconds(self) -> float:
        """What the process has computed so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def said(self, event: str = "") -> list[dict[str, Any]]:
        """The lines of its log, of one event or of all."""
        written = self._log.read_text(encoding="utf-8").splitlines()
        lines = [json.loads(line) for line in written if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if event in ("", line["event"])]

    async def page(self, path: str) -> tuple[int, str]:
        """The status and the text of one of its pages. Raises `ClientError` and `TimeoutError`."""
        async with (
            ClientSession(timeout=ClientTimeout(total=10)) as session,
            session.get(self._url + path) as answer,
        ):
            return answer.status, await answer.text()

    async def missing(self) -> dict[str, str]:
        """What `/readyz` misses; an answer that does not come is told as `process`."""
        try:
            _, text = await self.page("/readyz")
        except (ClientError, TimeoutError) as error:
            return {"process": type(error).__name__}
        return {name: why for name, why in json.loads(text).items() if name != "ready" and why != "ok"}

    async def until_ready(self, seconds: float = _STARTS_WITHIN_SECONDS) -> None:
        """Wait until it can answer. Raises `RuntimeError` when it ends or takes longer."""
        ends = time.monotonic() + seconds
        while await self.missing() or not self.said("synced"):
            if self.process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"serve is not ready: {await self.missing()}; see {self._log}")
            await asyncio.sleep(0.2)

    async def end(self) -> int:
        """Tell it to end, and wait; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return int(await asyncio.to_thread(self.process.wait, _ENDS_WITHIN_SECONDS))


def prepare(setup: Setup) -> int:
    """Write the settings into the folder; the port of its health pages."""
    port = free_port()
    setup.home.mkdir(parents=True, exist_ok=True)
    setup.models.mkdir(parents=True, exist_ok=True)
    if not (setup.home / "models").exists():
        (setup.home / "models").symlink_to(setup.models.resolve())
    text = _SETTINGS.format(
        home=setup.home, documents=setup.documents.resolve(), port=port, generation=setup.generation
    )
    (setup.folder / "lorebot.toml").write_text(text + setup.more, encoding="utf-8")
    return port


@asynccontextmanager
async def started(setup: Setup, port: int) -> AsyncIterator[Served]:
    """The process for the block; at its end it is told to end, and killed if it does not."""
    command = [sys.executable, "-c", "from bot.cli import main; main()"]
    settings = ["--config", str(setup.folder / "lorebot.toml")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOREBOT_")}
    environment = {**kept, "HF_HUB_OFFLINE": "1", **setup.environment}
    with setup.log.open("ab") as log:
        process = psutil.Popen([*command, *settings, "serve"], stdout=log, stderr=log, env=environment)
    served = Served(process, setup.log, port)
    try:
        yield served
        if process.poll() is None:
            await served.end()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
