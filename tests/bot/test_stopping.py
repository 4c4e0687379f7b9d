"""A process that was told to end ends, whatever hangs in it."""

from __future__ import annotations

import signal
import subprocess
import sys

HANGING = """
import asyncio, threading
from bot.stopping import EndAtLast, stop_event

class Log:
    def info(self, event, **fields): print(event, flush=True)
    warning = error = info

async def serve(end_at_last):
    stop = stop_event(end_at_last.begin)
    print("serving", flush=True)
    await stop.wait()

end_at_last = EndAtLast({seconds}, Log())
threading.Thread(target={work}).start()
asyncio.run(serve(end_at_last))
"""


def ended(seconds: float, work: str) -> tuple[int, list[str]]:
    """The exit code and the lines of a process that is told to end while a thread of it works."""
    script = HANGING.format(seconds=seconds, work=work)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "serving\n"
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read().splitlines()
        return process.wait(60), said


def test_what_hangs_is_ended_by_force_which_is_said() -> None:
    code, said = ended(0.1, "threading.Event().wait")
    assert (code, said) == (
        0,
        ["stopping", "ended by force: what was not finished goes on after the next start"],
    )


def test_what_ends_by_itself_is_left_to() -> None:
    assert ended(60.0, "int") == (0, ["stopping"])
