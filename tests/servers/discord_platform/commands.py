"""Application commands: what the app registered, who is offered what, and what using one tells the app."""

from __future__ import annotations

from typing import Any

from .messages import Messages
from .permissions import ADMINISTRATOR, USE_COMMANDS
from .world import Json

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5
CHAT, USER_MENU, MESSAGE_MENU = 1, 2, 3
SUB_COMMAND, GROUP, STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, ATTACHMENT = 1, 2, 3, 4, 5, 6, 7, 8, 11
RESOLVED = {USER: "users", CHANNEL: "channels", ROLE: "roles", ATTACHMENT: "attachments"}


class Commands(Messages):
    """The world with the app's commands in it, by scope: a guild's id, or nothing for everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: dict[str, dict[str, Json]] = {"": {}}
        self.syncs: list[tuple[str, list[Json]]] = []
        self.overrides: dict[tuple[str, str], list[Json]] = {}

    def sync(self, scope: str, commands: list[Json]) -> list[Json]:
        """Take the place of all commands of a scope; the value is the commands with their ids."""
        self.syncs.append((scope, commands))
        before = {(each["name"], each["type"]): each for each in self.commands.get(scope, {}).values()}
        self.commands[scope] = {}
        return [
            self.register(scope, each, before.get((each["name"], each.get("type", 1)))) for each in commands
        ]

    def register(self, scope: str, command: Json, before: Json | None = None) -> Json:
        """Add or change one command."""
        about = {"application_id": self.application_id, "version": self.new_id(), "type": CHAT}
        defaults: Json = {"default_member_permissions": None, "nsfw": False, "description": "", "options": []}
        found = {**about, **defaults, **command, "id": before["id"] if before else self.new_id()}
        if scope:
            found["guild_id"] = scope
        self.commands.setdefault(scope, {})[found["id"]] = found
        return found

    def permit(
        self, command: str, target: str, allowed: bool = True, *, guild: str = "", kind: int = 1
    ) -> None:
        """Let an admin allow or deny a command to a role (kind 1) or a user (kind 2) of a guild."""
        guild = guild or self.guild
        found = next(
            each
            for scope in (guild, "")
            for each in self.commands.get(scope, {}).values()
            if each["name"] == command
        )
        listed = self.overrides.setdefault((guild, found["id"]), [])
        listed.append({"id": target, "type": kind, "permission": allowed})

    def offered(self, user: str, channel: str) -> list[Json]:
        """The commands that Discord shows a person in a channel."""
        guild = self.channels[channel].get("guild_id", "")
        if guild and not self.may(user, channel, USE_COMMANDS):
            return []
        everywhere = [each for each in self.commands[""].values() if _fits(each, bool(guild))]
        found = [*everywhere, *(self.commands.get(guild, {}).values() if guild else ())]
        return [each for each in found if not guild or self._permitted(each, user, guild, channel)]

    def _permitted(self, command: Json, user: str, guild: str, channel: str) -> bool:
        held = self.permissions(user, channel)
        if held & ADMINISTRATOR:
            return True
        roles = {guild, *self.members[guild][user]["roles"]}
        listed = self.overrides.get((guild, command["id"]), [])
        own = [each["permission"] for each in listed if each["type"] == 2 and each["id"] == user]
        by_role = [each["permission"] for each in listed if each["type"] == 1 and each["id"] in roles]
        if own or by_role:
            return own[-1] if own else any(by_role)
        needed = command["default_member_permissions"]
        return needed is None or (int(needed) != 0 and held & int(needed) == int(needed))

    def command_data(self, user: str, channel: str, command: str, options: Json, focused: str = "") -> Json:
        """What using a slash command tells the app."""
        name, *path = command.removeprefix("/").split()
        found = self._offer(user, channel, name, CHAT)
        level = found
        nested: list[Json] = []
        for part in path:
            inner = [o for o in level["options"] if o["name"] == part and o["type"] in (SUB_COMMAND, GROUP)]
            assert inner, f"/{command}: no {part!r}"
            level = inner[0]
            nested.append(level)
        known = {option["name"]: option for option in level.get("options", ())}
        assert not any(o["type"] in (SUB_COMMAND, GROUP) for o in known.values()), (
            f"/{command} is not complete"
        )
        strange = set(options) - set(known)
        assert not strange, f"/{command} has no options {strange}"
        missing = [name for name, o in known.items() if o.get("required") and name not in options]
        assert focused or not missing, f"/{command} needs {missing}"
        resolved: Json = {}
        told = [
            self._option(known[n], v, channel, resolved, n == focused)
            for n, v in options.items()
            if v is not None
        ]
        for outer in reversed(nested):
            told = [{"name": outer["name"], "type": outer["type"], "options": told}]
        return self._data(found, {"options": told}, resolved)

    def menu_data(self, user: str, channel: str, name: str, message_id: str) -> Json:
        """What using a message's menu tells the app."""
        assert any(each.id == message_id for each in self.visible(channel, user=user)), (
            "the message is not seen"
        )
        found = self._offer(user, channel, name, MESSAGE_MENU)
        message = self.messages[channel][message_id]
        return self._data(found, {"target_id": message_id}, {"messages": {message_id: message}})

    def _offer(self, user: str, channel: str, name: str, kind: int) -> Json:
        offers = [each for each in self.offered(user, channel) if each["type"] == kind]
        found = next((each for each in offers if each["name"] == name), None)
        assert found, f"{user} is not offered {name!r}, but {[each['name'] for each in offers]}"
        return found

    def _data(self, command: Json, about: Json, resolved: Json) -> Json:
        told = {"id": command["id"], "name": command["name"], "type": command["type"], **about}
        if "guild_id" in command:
            told["guild_id"] = command["guild_id"]
        return told | {"resolved": resolved} if resolved else told

    def _option(self, option: Json, value: Any, channel: str, resolved: Json, focused: bool) -> Json:
        choices = [choice["value"] for choice in option.get("choices") or ()]
        assert focused or not choices or value in choices, f"{value!r} is not among {choices}"
        if option["type"] in RESOLVED:
            self._resolve(option["type"], value, channel, resolved)
        told = {"name": option["name"], "type": option["type"], "value": value}
        return told | {"focused": True} if focused else told

    def _resolve(self, kind: int, value: str, channel: str, resolved: Json) -> None:
        guild = self.channels[channel].get("guild_id", "")
        if kind == CHANNEL:
            about = {**self.channel_json(value), "permissions": "0"}
        else:
            about = {USER: self.users, ROLE: self.roles, ATTACHMENT: self.files}[kind][value]
        resolved.setdefault(RESOLVED[kind], {})[value] = about
        if kind == USER and value in self.members.get(guild, {}):
            member = {k: v for k, v in self.member(guild, value).items() if k != "user"}
            resolved.setdefault("members", {})[value] = member | {"permissions": "0"}


def _fits(command: Json, in_guild: bool) -> bool:
    contexts = command.get("contexts")
    if contexts is None:
        return in_guild or command.get("dm_permission", True) is not False
    return (0 if in_guild else 1) in contexts
