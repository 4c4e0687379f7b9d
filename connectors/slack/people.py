"""Who people are in a workspace, as far as it decides what they may read; remembered for minutes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.conversation import EVERYONE, PUBLIC
from connectors.remembering import Remembering
from connectors.slack.workspace import Workspace

WORKSPACE_ADMINS = "workspace-admins"
OUTSIDER = frozenset({PUBLIC})

_PEOPLE_SECONDS = 300.0
_MEMBERS_SECONDS = 60.0
_PAGE = 1_000
_PAGES = 30

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """A person or a program. `is_member` holds for full members of the workspace alone."""

    id: str
    name: str
    is_member: bool
    is_admin: bool
    is_own_app: bool


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel, and the ids of all its members."""

    is_private: bool
    is_shared: bool
    members: frozenset[str]


class TooManyError(Exception):
    """A list is longer than what is read of it."""


class People:
    """The people, user groups and channel members of workspaces. Every method raises what Slack raises."""

    def __init__(self) -> None:
        self._everybody: Remembering[dict[str, Person]] = Remembering(_PEOPLE_SECONDS)
        self._persons: Remembering[Person] = Remembering(_PEOPLE_SECONDS)
        self._groups: Remembering[dict[str, frozenset[str]]] = Remembering(_PEOPLE_SECONDS)
        self._channels: Remembering[Channel] = Remembering(_MEMBERS_SECONDS)

    async def person(self, workspace: Workspace, user: str) -> Person:
        """One person."""

        async def fetch() -> Person:
            said = await workspace.client.users_info(user=user)
            return _person(said["user"], workspace)

        return await self._persons.get((workspace.team, user), fetch)

    async def everybody(self, workspace: Workspace) -> dict[str, Person]:
        """Everybody whom the workspace knows, by id. Raises `TooManyError`."""

        async def fetch() -> dict[str, Person]:
            pages = _pages(workspace.client.users_list, "members")
            return {entry["id"]: _person(entry, workspace) async for entry in pages}

        return await self._everybody.get((workspace.team,), fetch)

    async def groups(self, workspace: Workspace) -> dict[str, frozenset[str]]:
        """The members of each user group, under both its principals: `group:ID` and `group:HANDLE`."""

        async def fetch() -> dict[str, frozenset[str]]:
            said = await workspace.client.usergroups_list(include_users=True)
            return {
                f"group:{name}": frozenset(group.get("users") or ())
                for group in said["usergroups"]
                for name in (group["id"], group.get("handle"))
                if name
            }

        return await self._groups.get((workspace.team,), fetch)

    async def channel(self, workspace: Workspace, channel: str) -> Channel:
        """A channel and who is in it. Raises `TooManyError`."""

        async def fetch() -> Channel:
            said = await workspace.client.conversations_info(channel=channel)
            pages = _pages(workspace.client.conversations_members, "members", channel=channel)
            return _channel(said["channel"], frozenset([str(member) async for member in pages]))

        return await self._channels.get((workspace.team, channel), fetch)

    def changed(self, team: str, channel: str) -> None:
        """The members of a channel changed, or with whom it is shared."""
        self._channels.forget((team, channel))

    async def principals(self, workspace: Workspace, persons: Collection[Person]) -> frozenset[str]:
        """The names under which documents may be opened to each of these, one at least."""
        if not all(person.is_member for person in persons):
            return OUTSIDER
        ids = {person.id for person in persons}
        groups = await self.groups(workspace)
        held = {EVERYONE, PUBLIC, *(name for name, members in groups.items() if ids <= members)}
        if len(ids) == 1:
            held.add(f"user:{next(iter(ids))}")
        if all(person.is_admin for person in persons):
            held.add(WORKSPACE_ADMINS)
        return frozenset(held)


def _person(entry: Json, workspace: Workspace) -> Person:
    restricted = (
        "deleted",
        "is_restricted",
        "is_ultra_restricted",
        "is_stranger",
        "is_invited_user",
        "is_bot",
    )
    is_at_home = entry.get("team_id") in (None, workspace.team)
    profile = entry.get("profile") or {}
    return Person(
        id=str(entry["id"]),
        name=str(profile.get("display_name") or entry.get("real_name") or entry.get("name") or ""),
        is_member=is_at_home and not any(entry.get(flag) for flag in restricted),
        is_admin=bool(entry.get("is_admin") or entry.get("is_owner")),
        is_own_app=is_at_home and bool(entry.get("is_bot")),
    )


def _channel(entry: Json, members: frozenset[str]) -> Channel:
    shared = ("is_ext_shared", "is_pending_ext_shared", "is_org_shared", "is_global_shared")
    pending = entry.get("pending_shared") or entry.get("pending_connected_team_ids")
    return Channel(
        is_private=bool(entry.get("is_private") or entry.get("is_group") or entry.get("is_mpim")),
        is_shared=bool(pending) or any(entry.get(flag) for flag in shared),
        members=members,
    )


async def _pages(method: Callable[..., Awaitable[Any]], entries: str, **arguments: str) -> AsyncIterator[Any]:
    cursor = ""
    for _ in range(_PAGES):
        said = await method(limit=_PAGE, **arguments, **({"cursor": cursor} if cursor else {}))
        for entry in said[entries]:
            yield entry
        cursor = (said.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return
    raise TooManyError(f"more than {_PAGES * _PAGE} {entries}")
