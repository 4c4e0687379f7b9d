"""Where the answer to one question appears in Discord: progress edited in place, then the answer."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import discord

from connectors.conversation import Answer, Progress
from connectors.discord.answer_view import answer_views
from connectors.discord.boards import CALL_ERRORS, Board, quietly, shown
from connectors.discord.buttons import ShareButton, answer_buttons
from connectors.discord.notices import refused, said
from connectors.discord.progress_view import progress_view
from connectors.pacing import Pacer
from connectors.ports import Manners
from connectors.recalling import expert_of

# A channel takes about five messages and edits in five seconds.
EDIT_EVERY_SECONDS = 2.0


class BoardSurface:
    """An answer on a board; `alone` when one person sees it, who may share it."""

    def __init__(self, board: Board, manners: Manners, *, alone: bool) -> None:
        self._board = board
        self._manners = manners
        self._alone = alone
        self._notes: list[str] = []
        self._progress: Progress | None = None
        self._said = ""
        self._pacer = Pacer(self._show, EDIT_EVERY_SECONDS)

    def note(self, line: str) -> None:
        """A line that is posted after the answer."""
        self._notes.append(line)

    async def show_progress(self, progress: Progress) -> None:
        """Say it in the place where the answer will be."""
        self._progress = progress
        self._pacer.wake()

    async def append(self, text: str) -> None:
        """Show a piece below the progress."""
        self._said += text
        self._pacer.wake()

    async def finish(self, answer: Answer) -> bool:
        """Let the answer take the place of the progress."""
        await self._stop()
        expert = None if self._alone else expert_of(self._manners, answer.citations)
        buttons = answer_buttons(answer, expert)
        if self._alone and answer.route == "knowledge":
            buttons = (*buttons, ShareButton(answer.id))
        try:
            await shown(self._board, answer_views(answer, datetime.now(UTC), buttons))
        except discord.HTTPException as error:
            if error.status != 400:
                raise
            await self._board.show(said(answer.text))
        for line in self._notes:
            await quietly(self._board.post(refused(line)))
        return True

    async def fail(self, line: str) -> None:
        """Say it in the place of whatever was shown."""
        await self._stop()
        await self._board.show(refused(line))

    async def withdraw(self) -> None:
        """Delete what was shown."""
        await self._stop()
        await self._board.remove()

    async def _show(self) -> None:
        if self._progress is None or self._pacer.is_stopped:
            return
        with suppress(*CALL_ERRORS):
            await self._board.show(progress_view(self._progress, self._said))

    async def _stop(self) -> None:
        with suppress(*CALL_ERRORS, asyncio.CancelledError):
            await self._pacer.stop()
