"""Who reads a place, and so what may be said there. Whatever is not known counts as external."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from connectors.conversation import EVERYONE, PUBLIC, Asker, Place
from connectors.log import Log
from connectors.slack.people import OUTSIDER, Channel, People, Person
from connectors.slack.workspace import Workspace

WITHIN_SECONDS = 2.0


class Audience:
    """Askers and places with their principals.

    `overrides` tell, by channel id, what all readers of a channel hold, in place of asking Slack for its
    members. Apps of the workspace among a channel's members are no readers: its admins installed them.
    `own` are the team's workspaces, None for every one: all other workspaces, who may have installed the app
    too, are full of strangers. Slack's answer is waited for `within` seconds; without it, only what is public
    may be read.
    """

    def __init__(
        self,
        people: People,
        overrides: Mapping[str, Collection[str]],
        log: Log,
        own: Collection[str] | None = None,
        within: float = WITHIN_SECONDS,
    ) -> None:
        self._people = people
        self._overrides = overrides
        self._log = log
        self._own = own
        self._within = within

    async def asker(self, workspace: Workspace, user: str, home_team: str | None = None) -> Asker:
        """A person with what this person may read."""
        if home_team and home_team.startswith("T") and home_team != workspace.team:
            return Asker(user, principals=OUTSIDER)
        if self._is_foreign(workspace):
            return Asker(user, principals=OUTSIDER)
        try:
            async with asyncio.timeout(self._within):
                person = await self._people.person(workspace, user)
                return Asker(user, person.name, await self._people.principals(workspace, [person]))
        except Exception as error:
            self._log.warning("person counts as external", user=user, reason=_reason(error))
            return Asker(user, principals=OUTSIDER)

    async def place(self, workspace: Workspace, channel: str, is_external: bool) -> Place:
        """A channel that many read, with what all of its readers hold."""
        return Place("slack", channel, await self._readers(workspace, channel, is_external), workspace.team)

    def alone(self, workspace: Workspace, channel: str) -> Place:
        """A place where the asker alone reads the answer: a direct message, or one for this person's eyes."""
        return Place("slack", channel, None, workspace.team)

    def _is_foreign(self, workspace: Workspace) -> bool:
        return self._own is not None and workspace.team not in self._own

    async def _readers(self, workspace: Workspace, channel: str, is_external: bool) -> frozenset[str]:
        if is_external or self._is_foreign(workspace):
            return OUTSIDER
        try:
            async with asyncio.timeout(self._within):
                found = await self._people.channel(workspace, channel)
                if found.is_shared:
                    return OUTSIDER
                if channel in self._overrides:
                    return frozenset(self._overrides[channel]) | {PUBLIC}
                return await self._common(workspace, found)
        except Exception as error:
            self._log.warning("channel counts as external", channel=channel, reason=_reason(error))
            return OUTSIDER

    async def _common(self, workspace: Workspace, channel: Channel) -> frozenset[str]:
        everybody = await self._people.everybody(workspace)
        readers: list[Person] = []
        for member in channel.members - {workspace.bot_user}:
            person = everybody.get(member)
            if person is None or not (person.is_member or person.is_own_app):
                return OUTSIDER
            if person.is_member:
                readers.append(person)
        if not channel.is_private:
            # Any member of the workspace may look into it.
            return frozenset({EVERYONE, PUBLIC})
        return await self._people.principals(workspace, readers) if readers else OUTSIDER


def _reason(error: Exception) -> str:
    return "Slack's answer is late" if isinstance(error, TimeoutError) else repr(error)
