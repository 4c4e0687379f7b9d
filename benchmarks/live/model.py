"""A model's server as a process of its own, which says the first piece of evidence that it is shown.

    python -m benchmarks.live.model PORT WORDS_A_SECOND

So an answer costs what Lorebot takes for it, and no model's time, and its words hold when they are checked.
"""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "servers"))

from model_server import BASE, ModelServer, application, saying

_FIRST = re.compile(r"^\[1\] (.*)$", re.MULTILINE)
_END_OF_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_STARTS_WITHIN_SECONDS = 60.0


def spoken(messages: list[dict[str, Any]]) -> tuple[str, ...]:
    """The pieces of an answer: the first sentence of the first evidence, and its number."""
    found = _FIRST.search(str(messages[-1]["content"]))
    if found is None:
        return ("Hello! ", "Ask me ", "anything.")
    text = found.group(1).rpartition(": ")[2] or found.group(1)
    sentence = _END_OF_SENTENCE.split(text)[0].rstrip(".!?")
    return (*(f"{word} " for word in sentence.split()), "[1].")


def quoting(words_a_second: float) -> web.Application:
    """The server's application; it streams word by word."""

    async def behave(server: ModelServer, request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        server.asked.clear()
        server.keys.clear()
        pieces = spoken(asked["messages"])
        try:
            return await saying(*pieces, seconds_a_piece=1 / words_a_second)(server, request, asked)
        except ConnectionResetError:
            return web.Response()  # who asked has heard enough

    return application(ModelServer(usually=behave))


class ModelProcess:
    """The server as a process, which can be killed, stopped, and started again on its port."""

    def __init__(self, port: int, words_a_second: float = 40.0) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self._port = port
        self._command = [sys.executable, "-m", "benchmarks.live.model", str(port), str(words_a_second)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens. Raises `TimeoutError`."""
        self._process = subprocess.Popen(self._command, cwd=Path(__file__).parents[2])
        wait_until_open(self._port, _STARTS_WITHIN_SECONDS)

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Let it do nothing, and keep its connections."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


@contextmanager
def model_process() -> Iterator[ModelProcess]:
    """The server as a process for the block, on a free port."""
    process = ModelProcess(free_port())
    try:
        process.start()
        yield process
    finally:
        process.kill()


def asking(process: ModelProcess) -> str:
    """The lines of `[generation]` in the settings of a Lorebot that asks it."""
    return f'url = "{process.url}"\nmodel = "{BASE}"\nfallback = "quote"'


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_open(port: int, seconds: float) -> None:
    """Wait until somebody listens on a port of loopback. Raises `TimeoutError`."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on 127.0.0.1:{port} after {seconds:g} s")


async def _serve(port: int, words_a_second: float) -> None:
    runner = web.AppRunner(quoting(words_a_second), access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
