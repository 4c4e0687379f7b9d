"""How a service that was told to end ends: at once, in its own time, or at last by force."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable

from connectors.log import Log


def stop_event(on_stop: Callable[[], None]) -> asyncio.Event:
    """An event that the first SIGINT or SIGTERM sets; from then on they do what they usually do."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def request() -> None:
        stop.set()
        on_stop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, request)
    return stop


class EndAtLast:
    """Ends the process by force when it has not ended so many seconds after it was told to.

    A thread that waits for a server, or loads a model, keeps Python from ending. Nothing is lost by force: a
    sync and a question go on after the next start from wherever they were broken off.
    """

    def __init__(self, seconds: float, log: Log) -> None:
        self._seconds = seconds
        self._log = log

    def begin(self) -> None:
        """The process was told to end."""
        self._log.info("stopping", at_most_seconds=self._seconds)
        # A daemon, which goes when the process has ended by itself.
        timer = threading.Timer(self._seconds, self._end)
        timer.daemon = True
        timer.start()

    def at_once(self) -> None:
        """End now: the process has not begun anything yet."""
        self._log.info("stopped")
        os._exit(0)

    def _end(self) -> None:
        self._log.warning("ended by force: what was not finished goes on after the next start")
        os._exit(0)
