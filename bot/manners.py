"""How the bot behaves in a place: entries of the journal, of which the last one counts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast, get_args

from bot.journal import Journal
from bot.places import name_place
from connectors.conversation import Place
from connectors.ports import Mode

MODE = "mode"
QUIET = "quiet"


class Manners:
    """The port `Manners` of the connectors, and what administers it.

    `modes` are the settings' default by platform, `experts` whom to ask about each source. Methods raise
    `JournalError`.
    """

    def __init__(self, journal: Journal, modes: Mapping[str, Mode], experts: Mapping[str, str]) -> None:
        self._journal = journal
        self._modes = modes
        self._experts = experts

    async def mode(self, place: Place) -> Mode:
        """When it answers in a place: what was chosen there, else what the settings say."""
        return await asyncio.to_thread(self.mode_of, place)

    def mode_of(self, place: Place) -> Mode:
        """As `mode`. Blocks."""
        last = self._journal.latest(MODE, [name_place(place)])
        chosen = last[name_place(place)].details["mode"] if last else None
        # A later version of Lorebot may know more modes.
        if chosen in get_args(Mode):
            return cast(Mode, chosen)
        return self._modes.get(place.platform, "mention")

    async def is_quiet(self, conversation: str) -> bool:
        """Whether it was told to be quiet in a conversation, or in the channel of which that is a thread.

        What was said last counts, wherever of the two it was said.
        """
        last = await asyncio.to_thread(self._journal.latest, QUIET, _with_channel(conversation))
        newest = max(last.values(), key=lambda entry: entry.id, default=None)
        return newest is not None and bool(newest.details["quiet"])

    def expert(self, source: str) -> str | None:
        """The person or group to ask about a source."""
        return self._experts.get(source)

    def set_mode(self, place: Place, mode: Mode, who: str) -> None:
        """Choose a place's mode. Blocks."""
        self._journal.append(MODE, name_place(place), who, {"mode": mode})

    def be_quiet(self, conversation: str, who: str) -> None:
        """Say nothing unasked in a conversation. Blocks."""
        self._journal.append(QUIET, conversation, who, {"quiet": True})

    def wake(self, conversation: str, who: str) -> None:
        """Undo `be_quiet`. Blocks."""
        self._journal.append(QUIET, conversation, who, {"quiet": False})


def _with_channel(conversation: str) -> tuple[str, ...]:
    """A conversation, and that of its whole channel: `slack:TEAM/CHANNEL` of `slack:TEAM/CHANNEL/THREAD`."""
    channel = "/".join(conversation.split("/")[:2])
    return tuple(dict.fromkeys((conversation, channel)))
