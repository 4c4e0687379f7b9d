"""Tells Discord the commands, when they are not those that it knows.

https://discord.com/developers/docs/interactions/application-commands#bulk-overwrite-global-application-commands
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from discord import app_commands

from connectors.log import Log

# What Discord adds, and what stands for nothing being there.
_NOTHING: tuple[Any, ...] = (None, False, [], {}, "")


async def sync_commands(tree: app_commands.CommandTree[Any], application: int, log: Log) -> bool:
    """Whether they had to be told. Raises `discord.HTTPException`."""
    http = tree.client.http
    wanted = [command.to_dict(tree) for command in tree.get_commands()]
    known = await http.get_global_commands(application)
    if _by_name(wanted) == _by_name(known):
        return False
    await http.bulk_upsert_global_commands(application, payload=wanted)
    log.info("discord commands synced", commands=len(wanted))
    return True


def _by_name(commands: Any) -> dict[tuple[str, int], Any]:
    return {(one["name"], one.get("type", 1)): _plain(one, _OF_COMMAND) for one in commands}


_OF_COMMAND = (
    "description",
    "default_member_permissions",
    "contexts",
    "integration_types",
    "nsfw",
    "options",
)
_OF_OPTION = (
    "name",
    "type",
    "description",
    "required",
    "choices",
    "options",
    "autocomplete",
    "min_value",
    "max_value",
    "min_length",
    "max_length",
)


def _plain(command: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """What a person notices of a command or an option."""
    found: dict[str, Any] = {key: command.get(key) for key in keys if command.get(key) not in _NOTHING}
    for key in ("contexts", "integration_types"):
        if key in found:
            found[key] = sorted(found[key])
    if "options" in found:
        found["options"] = [_plain(option, _OF_OPTION) for option in found["options"]]
    if "choices" in found:
        found["choices"] = [(choice["name"], choice["value"]) for choice in found["choices"]]
    if "default_member_permissions" in found:
        found["default_member_permissions"] = str(found["default_member_permissions"])
    return found
