"""Turns Ctrl-C and SIGTERM into a request to stop, for work that runs outside the event loop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cancelled_by_signals() -> Iterator[threading.Event]:
    """Set the event at the first SIGINT or SIGTERM; a second one ends the process as usual."""
    cancelled = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def cancel(number: int, frame: object) -> None:
        cancelled.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, cancel)
    try:
        yield cancelled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
