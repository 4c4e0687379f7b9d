"""A request to a route, and the table of routes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .interactions import Interactions
from .permissions import ATTACH_FILES, READ_HISTORY, SEND_IN_THREADS, SEND_MESSAGES, VIEW_CHANNEL
from .rules import RefusedError, check_message, require
from .world import KINDS, THREADS, Json

UNSENDABLE = (KINDS["forum"], KINDS["category"])


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: the names in its path, its query, its JSON body, and files as (name, content, type)."""

    world: Interactions
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    files: tuple[tuple[str, bytes, str], ...]

    def channel(self, permission: int = VIEW_CHANNEL) -> str:
        """The channel of the path, in which the bot may do this.

        Raises:
            RefusedError: Unknown Channel, Missing Access or Missing Permissions.
        """
        channel = self.path["channel"]
        require(channel in self.world.channels, 10003)
        require(self.world.may(self.world.bot, channel), 50001)
        require(self.world.may(self.world.bot, channel, permission), 50013)
        return channel

    def message(self, permission: int = VIEW_CHANNEL) -> Json:
        """The message of the path."""
        found = self.world.messages[self.channel(permission)].get(self.path["message"])
        if found is None or self.path["message"] in self.world.shown_to:
            raise RefusedError(10008)
        return found

    def writable(self, channel: str) -> None:
        """Refuse where the bot may not write."""
        world, about = self.world, self.world.channels[channel]
        require(about["type"] not in UNSENDABLE, 50008)
        in_thread = about["type"] in THREADS
        require(world.may(world.bot, channel, SEND_IN_THREADS if in_thread else SEND_MESSAGES), 50013)
        if in_thread:
            require(not about["thread_metadata"]["locked"], 50083)
        if world.is_dm(channel):
            require(about["recipients"][0]["id"] not in world.closed_dms, 50007)
        if self.files:
            require(world.may(world.bot, channel, ATTACH_FILES), 50013)
        if (self.body or {}).get("message_reference"):
            require(world.may(world.bot, channel, READ_HISTORY), 50013)

    def fields(self, payload: Json, before: Json | None = None) -> Json:
        """The fields of a message that a payload writes or changes.

        Raises:
            RefusedError: when the message would break a rule.
        """
        known = ("content", "embeds", "components", "flags")
        found = {key: payload[key] for key in known if key in payload}
        if "content" in found:
            found["content"] = found["content"] or ""
        if "components" in found:
            found["components"] = _numbered(found["components"] or [])
        if "attachments" in payload or self.files:
            found["attachments"] = self._attached(payload.get("attachments") or [], before or {})
        if before:
            found["flags"] = before["flags"] | (payload.get("flags") or 0)
        check_message({**(before or {}), **found})
        return found

    def _attached(self, listed: list[Json], before: Json) -> list[Json]:
        kept = {each["id"]: each for each in before.get("attachments", ())}
        found = [kept[str(each["id"])] for each in listed if str(each["id"]) in kept]
        new = [self.world.file(name, content, kind) for name, content, kind in self.files]
        return found + [self.world.files[each] for each in new]


Answerer = Callable[[Asked], Any]


class Routes:
    """Methods and path patterns, each with the function that answers."""

    def __init__(self) -> None:
        self._known: list[tuple[str, str, re.Pattern[str], Answerer]] = []

    def on(self, method: str, pattern: str) -> Callable[[Answerer], Answerer]:
        """Register a function, as a decorator."""

        def register(function: Answerer) -> Answerer:
            expression = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
            self._known.append((method, pattern, re.compile(expression), function))
            return function

        return register

    def find(self, method: str, path: str) -> tuple[str, dict[str, str], Answerer] | None:
        """The pattern of a path, the names in it and the function."""
        for known, pattern, expression, function in self._known:
            if known == method and (match := expression.fullmatch(path)):
                return pattern, match.groupdict(), function
        return None


def _numbered(components: list[Json]) -> list[Json]:
    """Give every component an id, as Discord does for those without one."""
    count = 0

    def number(each: Json) -> Json:
        nonlocal count
        count += 1
        told = {"id": each.get("id") or count, **{k: v for k, v in each.items() if k != "id"}}
        if "components" in each:
            told["components"] = [number(inner) for inner in each["components"]]
        if each.get("accessory"):
            told["accessory"] = number(each["accessory"])
        return told

    return [number(each) for each in components]
