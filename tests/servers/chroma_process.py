"""A real `chroma run` on loopback, which a test may kill, stop for a while, empty and start again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE_SECONDS = 120.0


class ChromaProcess:
    """The server, at the same address through all its lives."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._folder = folder
        self._running: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it with what it had, and wait until it answers."""
        program = Path(sys.executable).with_name("chroma")
        command = [program, "run", "--path", self._folder, "--host", "127.0.0.1", "--port", str(self._port)]
        self._running = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self._folder.parent),
                "ANONYMIZED_TELEMETRY": "False",
            },
        )
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/api/v2/heartbeat", timeout=5):
                    return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, as a machine that loses its power does."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()
        self._running = None

    def empty(self) -> None:
        """Take all that it had; it starts again with nothing."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
        self.start()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Take connections and answer nothing during the block."""
        assert self._running is not None
        self._running.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            if self._running is not None:
                self._running.send_signal(signal.SIGCONT)

    def has_unread(self) -> bool:
        """Whether a request lies there that it has not read, as while it hangs (Linux's proc_net_tcp(5))."""
        lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        for _, local, _, state, queues, *_ in map(str.split, lines):
            here, unread = int(local.partition(":")[2], 16), int(queues.partition(":")[2], 16)
            if here == self._port and state == "01" and unread:
                return True
        return False


@contextmanager
def running_chroma(folder: Path) -> Iterator[ChromaProcess]:
    """A server of its own until the block ends."""
    server = ChromaProcess(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
