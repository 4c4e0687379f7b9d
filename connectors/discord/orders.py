"""Commands from admins: taken, confirmed where they destroy something, done with progress, cancelled."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import asdict
from functools import partial

from connectors.commands import Command, confirmation, written
from connectors.conversation import Progress
from connectors.discord.boards import Board, quietly, shown
from connectors.discord.desk import Desk, Work, deferred
from connectors.discord.heard import Ticket, conversation
from connectors.discord.modals import confirmation_view
from connectors.discord.notices import refused
from connectors.discord.progress_view import admin_progress, admin_results
from connectors.discord.requests import Interaction, interaction_key, read_parent, read_ticket
from connectors.grammar import read_written
from connectors.ports import Administered
from connectors.reporting import ENDED, carry_out, interrupted
from connectors.wording import may_not_cancel

CONFIRMED = "It is confirmed already."

_ELSEWHERE_SECONDS = 1.0


class Orders:
    """Does what a command says; only its giver sees what comes of it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def give(self, interaction: Interaction, command: Command) -> None:
        """A command was given."""
        await deferred(interaction, alone=True)
        ticket, key = read_ticket(interaction), interaction_key(interaction)
        work = partial(self._confirm, command, ticket, read_parent(interaction), key)

        async def given() -> None:
            await self._begin(command, ticket, key, work)

        self._desk.begin(given(), ticket)

    async def confirmed(self, interaction: Interaction, key: str, command: str) -> None:
        """A command was confirmed."""
        await deferred(interaction, alone=True)
        ticket, order = read_ticket(interaction), read_written(command)
        work = partial(self._obey, order, ticket, read_parent(interaction), key)

        async def given() -> None:
            if not await self._begin(order, ticket, f"{key}/confirmed", work):
                await self._desk.say(ticket, CONFIRMED)

        self._desk.begin_press(interaction_key(interaction), ticket, given)

    async def cancel(self, interaction: Interaction, run: str) -> None:
        """Cancel a command that runs; whoever gave it may, and admins."""
        await deferred(interaction, alone=True)
        if self._desk.background.run_of(run) is None:
            # Another process may run it, which sees the button pressed as well.
            await asyncio.sleep(_ELSEWHERE_SECONDS)
        ticket = read_ticket(interaction)
        self._desk.begin_press(interaction_key(interaction), ticket, partial(self._cancel, ticket, run))

    async def _cancel(self, ticket: Ticket, run: str) -> None:
        runs = self._desk.background
        starter = runs.run_of(run)
        if starter is None:
            await self._desk.say(ticket, ENDED)
        elif ticket.user == starter or await self._desk.is_admin(ticket):
            runs.cancel_run(run)
            await self._desk.say(ticket, "It is being cancelled.")
        else:
            await self._desk.say(ticket, may_not_cancel(f"<@{starter}>"))

    async def _begin(self, command: Command, ticket: Ticket, key: str, work: Work) -> bool:
        """Whether it is for this process to do."""
        if not await self._desk.take(key, interrupted(asdict(ticket), command)):
            return False
        run, finishing = key.removesuffix("/confirmed"), self._desk.to_its_end(key, work())
        self._desk.background.begin_run(run, ticket.user, finishing, self._desk.teller(ticket))
        return True

    async def _confirm(self, command: Command, ticket: Ticket, parent: str, key: str) -> None:
        asked = confirmation(command)
        if asked is None or not await self._desk.is_admin(ticket):
            await self._obey(command, ticket, parent, key)
            return
        board = self._desk.private_board(ticket, key)
        await board.show(confirmation_view(asked, written(command), key))

    async def _obey(self, command: Command, ticket: Ticket, parent: str, run: str) -> None:
        asker = await self._desk.asker(ticket)
        place = self._desk.audience.alone(ticket.guild, parent)
        here = conversation(ticket.guild, ticket.channel)
        report = PrivateReport(self._desk.private_board(ticket, run), run)
        # Who gave the command is told that it was cut off, here or by the process that finds it left.
        with suppress(asyncio.CancelledError):
            await carry_out(self._desk.ports.administering, command, asker, place, here, report)


class PrivateReport:
    """What a command says, on a board that its giver alone sees."""

    def __init__(self, board: Board, run: str) -> None:
        self._board = board
        self._run = run

    async def begin(self, progress: Progress) -> None:
        """Show progress, and a button that cancels; the command does not depend on that."""
        await quietly(self._board.show(admin_progress(progress, self._run)))

    async def edit(self, progress: Progress) -> None:
        """Show further progress there."""
        await self.begin(progress)

    async def end(self, result: Administered) -> None:
        """Show the end there."""
        await shown(self._board, admin_results(result))

    async def break_off(self, line: str) -> None:
        """Say it there."""
        await self._board.show(refused(line))
