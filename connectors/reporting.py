"""A command from its first sign of life to its end, the same on every platform."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, Protocol

from connectors.commands import Command, written
from connectors.conversation import Asker, Place, Progress
from connectors.ports import Administered, Administering

# Platforms allow about 50 edits a minute for all messages together.
EDIT_EVERY_SECONDS = 2.0
CUT_OFF = "Cancelled. What was done until then stays."
ENDED = "That has ended, or another process runs it."


class Report(Protocol):
    """Where a person sees how far a command is."""

    async def begin(self, progress: Progress) -> None:
        """The command takes longer: show it."""
        ...

    async def edit(self, progress: Progress) -> None:
        """Show further progress in the same place."""
        ...

    async def end(self, result: Administered) -> None:
        """Show the end, in the same place if it was begun."""
        ...

    async def break_off(self, line: str) -> None:
        """It was cancelled, or it failed; only what was begun has to be told."""
        ...


async def carry_out(
    administering: Administering,
    command: Command,
    asker: Asker,
    place: Place,
    conversation: str,
    report: Report,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Have a command done, and its progress shown at a rate that platforms allow."""
    has_begun, edited = False, 0.0
    async with aclosing(administering.administer(command, asker, place, conversation)) as events:
        try:
            async for event in events:
                if isinstance(event, Administered):
                    await report.end(event)
                elif not has_begun:
                    has_begun, edited = True, clock()
                    await report.begin(event)
                elif clock() - edited >= EDIT_EVERY_SECONDS:
                    edited = clock()
                    await report.edit(event)
        except BaseException:
            await report.break_off(CUT_OFF)
            raise


def interrupted(ticket: Mapping[str, Any], command: Command | str) -> dict[str, Any]:
    """The payload of a command or a button: whom to tell that it was cut off, when the process has died."""
    words = command if isinstance(command, str) else written(command)
    return {"command": words, "ticket": dict(ticket)}


def restarted_line(command: str) -> str:
    """What a person is told whose command was cut off by the death of the process."""
    return f"I was restarted while I did `{command}`: give it again."
