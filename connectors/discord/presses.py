"""What the buttons under an answer do, and the forms that open from there."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from connectors.discord.answering import Answering
from connectors.discord.boards import shown
from connectors.discord.buttons import Pressed
from connectors.discord.desk import Desk, Work, deferred
from connectors.discord.heard import PLATFORM, Heard, Ticket
from connectors.discord.modals import judgement_modal
from connectors.discord.notices import asked_aloud, called
from connectors.discord.orders import Orders
from connectors.discord.passages_view import passages_views
from connectors.discord.requests import interaction_key, read_parent, read_ticket
from connectors.ports import Judgement, Remembered
from connectors.recalling import FORGOTTEN, THANKS, expert_of, recall

CALLED = "I called somebody who knows."
NOBODY = "I know nobody whom I could ask."
SHARED = "It is shared already."


class AnswerPresses:
    """Implements `connectors.discord.buttons.Presses`. Each answers at once, and does the work beside."""

    def __init__(self, desk: Desk, answering: Answering, orders: Orders) -> None:
        self._desk = desk
        self._answering = answering
        self._orders = orders

    async def judged(self, interaction: Pressed, answer_id: str, helpful: bool) -> None:
        """A thumb: kept; the one that points down also opens a form."""
        if helpful:
            await deferred(interaction, alone=True)
        else:
            with suppress(Exception):
                await interaction.response.send_modal(judgement_modal(answer_id))
        self._keep(interaction, answer_id, Judgement(helpful), thank=helpful)

    async def explained(self, interaction: Pressed, answer_id: str, judgement: Judgement) -> None:
        """The form behind the thumb that points down."""
        await deferred(interaction, alone=True)
        self._keep(interaction, answer_id, judgement, thank=True)

    async def passages(self, interaction: Pressed, answer_id: str) -> None:
        """What was read for an answer."""
        await self._press(interaction, partial(self._show_passages, interaction, answer_id))

    async def person(self, interaction: Pressed, answer_id: str) -> None:
        """Call the expert of the answer's source."""
        await self._press(interaction, partial(self._call, interaction, answer_id))

    async def share(self, interaction: Pressed, answer_id: str) -> None:
        """Ask again for all who read the channel: they may be allowed less than the person who asked."""
        await self._press(interaction, partial(self._share, interaction, answer_id))

    async def cancel(self, interaction: Pressed, run: str) -> None:
        """Cancel a command."""
        await self._orders.cancel(interaction, run)

    async def confirmed(self, interaction: Pressed, key: str, command: str) -> None:
        """Do a command that is meant."""
        await self._orders.confirmed(interaction, key, command)

    async def _press(self, interaction: Pressed, work: Work) -> None:
        await deferred(interaction, alone=True)
        self._desk.audience.seen(interaction.user)
        self._desk.begin_press(interaction_key(interaction), read_ticket(interaction), work)

    def _keep(self, interaction: Pressed, answer_id: str, judgement: Judgement, *, thank: bool) -> None:
        ticket = read_ticket(interaction)

        async def keep() -> None:
            await self._desk.ports.memory.judge(answer_id, f"{PLATFORM}:{ticket.user}", judgement)
            if thank:
                await self._desk.say(ticket, THANKS)

        self._desk.begin(keep(), ticket)

    async def _show_passages(self, interaction: Pressed, answer_id: str) -> None:
        ticket = read_ticket(interaction)
        remembered = await self._recall(interaction, answer_id)
        if remembered is None:
            await self._desk.say(ticket, FORGOTTEN)
            return
        board = self._desk.private_board(ticket, str(interaction.id))
        await shown(board, passages_views(remembered.answer))

    async def _call(self, interaction: Pressed, answer_id: str) -> None:
        ticket, key = read_ticket(interaction), f"{PLATFORM}:action/{answer_id}/person"
        if not await self._desk.take(key, {}):
            await self._desk.say(ticket, CALLED)
            return
        await self._desk.once_for_all(key, self._call_expert(interaction, answer_id))

    async def _call_expert(self, interaction: Pressed, answer_id: str) -> None:
        ticket = read_ticket(interaction)
        remembered = await self._recall(interaction, answer_id)
        expert = expert_of(self._desk.ports.manners, remembered.answer.citations) if remembered else None
        call = called(expert, int(ticket.user), remembered.answer) if remembered and expert else None
        if call is None:
            await self._desk.say(ticket, NOBODY if remembered else FORGOTTEN)
            return
        channel = self._desk.rest.get_partial_messageable(int(ticket.channel))
        await channel.send(view=call.view, allowed_mentions=call.mentions)
        await self._desk.say(ticket, CALLED)

    async def _share(self, interaction: Pressed, answer_id: str) -> None:
        ticket, key = read_ticket(interaction), f"{PLATFORM}:action/{answer_id}/share"
        if not await self._desk.take(key, {}):
            await self._desk.say(ticket, SHARED)
            return
        await self._desk.once_for_all(key, self._ask_aloud(interaction, answer_id, f"{key}d"))

    async def _ask_aloud(self, interaction: Pressed, answer_id: str, key: str) -> None:
        ticket = read_ticket(interaction)
        remembered = await self._recall(interaction, answer_id)
        if remembered is None:
            await self._desk.say(ticket, FORGOTTEN)
            return
        question = remembered.answer.question
        board = self._desk.channel_board(ticket, key, ticket.channel)
        root = await board.posted(asked_aloud(int(ticket.user), question))
        asked = Ticket(ticket.guild, ticket.channel, ticket.user)
        parent = read_parent(interaction)
        self._answering.take(Heard(key, "shared", asked, parent, str(root.id), ticket.channel, question))
        await self._desk.say(ticket, "Shared.")

    async def _recall(self, interaction: Pressed, answer_id: str) -> Remembered | None:
        """An answer, if the person who pressed may still read what it was made of."""
        ticket = read_ticket(interaction)
        who = f"{PLATFORM}:{ticket.user}"
        memory, parent = self._desk.ports.memory, read_parent(interaction)
        found = await recall(memory, answer_id, ticket.guild or None, parent, who)
        if found is None or found.place.principals is None:
            return found
        asker = await self._desk.asker(ticket)
        return found if found.place.principals <= asker.principals else None
