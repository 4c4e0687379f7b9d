"""The routes of guilds, users, the application and its commands."""

from __future__ import annotations

from typing import Any

from .asked import Asked, Routes
from .rules import RefusedError, require, within
from .world import THREADS, Json

GUILDS = Routes()
SCOPES = ("/applications/{app}/commands", "/applications/{app}/guilds/{guild}/commands")


@GUILDS.on("GET", "/users/@me")
def _me(ask: Asked) -> Any:
    return {**ask.world.users[ask.world.bot], "verified": True, "mfa_enabled": False, "flags": 0}


@GUILDS.on("GET", "/users/@me/guilds")
def _my_guilds(ask: Asked) -> Any:
    ours = [each for each in ask.world.guilds if ask.world.bot in ask.world.members[each]]
    about: Json = {"icon": None, "owner": False, "permissions": "0", "features": []}
    return [{"id": each, "name": ask.world.guilds[each]["name"], **about} for each in ours]


@GUILDS.on("GET", "/users/{user}")
def _user(ask: Asked) -> Any:
    require(ask.path["user"] in ask.world.users, 10013)
    return ask.world.users[ask.path["user"]]


@GUILDS.on("POST", "/users/@me/channels")
def _open_dm(ask: Asked) -> Any:
    user = str(ask.body["recipient_id"])
    require(user in ask.world.users, 10013)
    return ask.world.channels[ask.world.dm_channel(user)]


@GUILDS.on("GET", "/oauth2/applications/@me")
@GUILDS.on("GET", "/applications/@me")
def _application(ask: Asked) -> Any:
    world = ask.world
    owner = {"id": "1", "username": "owner", "discriminator": "0", "global_name": None, "avatar": None}
    return {
        **{"id": world.application_id, "name": "lorebot", "description": "", "icon": None, "owner": owner},
        **{"bot_public": world.public, "bot_require_code_grant": False},
        **{"verify_key": "0" * 64, "summary": ""},
        **{"flags": world.flags, "team": None, "bot": world.users[world.bot], "redirect_uris": []},
        **{"approximate_guild_count": len(world.guilds), "interactions_endpoint_url": None},
    }


@GUILDS.on("GET", "/gateway")
@GUILDS.on("GET", "/gateway/bot")
def _gateway(ask: Asked) -> Any:
    limit = {**ask.world.session_starts, "max_concurrency": 1}
    url = ask.world.url.replace("http", "ws", 1) + "/gateway"
    return {"url": url, "shards": ask.world.shards, "session_start_limit": limit}


def _guild_id(ask: Asked) -> str:
    guild = ask.path["guild"]
    require(guild in ask.world.guilds, 10004)
    require(ask.world.bot in ask.world.members[guild], 50001)
    return guild


@GUILDS.on("GET", "/guilds/{guild}")
def _guild(ask: Asked) -> Any:
    guild = _guild_id(ask)
    counts = {"approximate_member_count": len(ask.world.members[guild]), "approximate_presence_count": 1}
    return {**ask.world.guilds[guild], "roles": ask.world.guild_roles(guild), **counts}


@GUILDS.on("GET", "/guilds/{guild}/channels")
def _channels(ask: Asked) -> Any:
    guild = _guild_id(ask)
    found = [each for each in ask.world.channels.values() if each.get("guild_id") == guild]
    return [each for each in found if each["type"] not in THREADS]


@GUILDS.on("GET", "/guilds/{guild}/roles")
def _roles(ask: Asked) -> Any:
    return ask.world.guild_roles(_guild_id(ask))


@GUILDS.on("GET", "/guilds/{guild}/threads/active")
def _active(ask: Asked) -> Any:
    world, guild = ask.world, _guild_id(ask)
    threads = [
        each
        for each, about in world.channels.items()
        if about["type"] in THREADS and about["guild_id"] == guild
    ]
    found = [world.thread_json(each) for each in threads if world.may(world.bot, each)]
    return {"threads": [each for each in found if not each["thread_metadata"]["archived"]], "members": []}


@GUILDS.on("GET", "/guilds/{guild}/members/search")
def _search(ask: Asked) -> Any:
    query = ask.query["query"].lower()
    found = ask.world.members[_guild_id(ask)].values()
    return [each for each in found if each["user"]["username"].startswith(query)][
        : int(ask.query.get("limit", 1))
    ]


@GUILDS.on("GET", "/guilds/{guild}/members")
def _members(ask: Asked) -> Any:
    guild = _guild_id(ask)
    require("members" in ask.world.privileged, 50001)
    after, limit = int(ask.query.get("after", 0)), int(ask.query.get("limit", 1))
    ids = sorted(int(each) for each in ask.world.members[guild])
    return [ask.world.member(guild, str(each)) for each in ids if each > after][:limit]


@GUILDS.on("GET", "/guilds/{guild}/members/{user}")
def _member(ask: Asked) -> Any:
    guild, user = _guild_id(ask), ask.path["user"]
    user = ask.world.bot if user == "@me" else user
    require(user in ask.world.users, 10013)
    require(user in ask.world.members[guild], 10007)
    return ask.world.member(guild, user)


def _commands(ask: Asked) -> dict[str, Json]:
    require(ask.path["app"] == ask.world.application_id, 50001)
    if "guild" in ask.path:
        _guild_id(ask)
    return ask.world.commands.setdefault(ask.path.get("guild", ""), {})


def _list(ask: Asked) -> Any:
    return list(_commands(ask).values())


def _sync(ask: Asked) -> Any:
    _commands(ask)
    for each in ask.body:
        _check_command(each)
    return ask.world.sync(ask.path.get("guild", ""), ask.body)


def _add(ask: Asked) -> Any:
    known = _commands(ask)
    _check_command(ask.body)
    before = next((each for each in known.values() if each["name"] == ask.body["name"]), None)
    return ask.world.register(ask.path.get("guild", ""), ask.body, before)


def _known(ask: Asked) -> Json:
    found = _commands(ask).get(ask.path["command"])
    if found is None:
        raise RefusedError(10063)
    return found


def _change(ask: Asked) -> Any:
    return ask.world.register(ask.path.get("guild", ""), {**_known(ask), **ask.body}, _known(ask))


def _remove(ask: Asked) -> Any:
    del _commands(ask)[_known(ask)["id"]]


@GUILDS.on("GET", "/applications/{app}/guilds/{guild}/commands/permissions")
def _all_permissions(ask: Asked) -> Any:
    guild = _guild_id(ask)
    found = [(command, listed) for (where, command), listed in ask.world.overrides.items() if where == guild]
    return [_permissions_json(ask, guild, command, listed) for command, listed in found]


def _permissions_json(ask: Asked, guild: str, command: str, listed: list[Json]) -> Json:
    about = {"id": command, "application_id": ask.world.application_id, "guild_id": guild}
    return {**about, "permissions": listed}


for _scope in SCOPES:
    GUILDS.on("GET", _scope)(_list)
    GUILDS.on("PUT", _scope)(_sync)
    GUILDS.on("POST", _scope)(_add)
    GUILDS.on("GET", f"{_scope}/{{command}}")(_known)
    GUILDS.on("PATCH", f"{_scope}/{{command}}")(_change)
    GUILDS.on("DELETE", f"{_scope}/{{command}}")(_remove)


@GUILDS.on("GET", "/applications/{app}/guilds/{guild}/commands/{command}/permissions")
def _permissions(ask: Asked) -> Any:
    guild, command = _guild_id(ask), ask.path["command"]
    found = ask.world.overrides.get((guild, command), [])
    require(found, 10066)
    return _permissions_json(ask, guild, command, found)


def _check_command(command: Json) -> None:
    within(command["name"], 32, "command name", 1)
    if command.get("type", 1) == 1:
        within(command.get("description"), 100, "description", 1)
        require(command["name"] == command["name"].lower(), 50035, "command name: lower case")
    options = command.get("options") or []
    require(len(options) <= 25, 50035, "options: 25 at most")
    for option in options:
        if option["type"] > 2:
            within(option["name"], 32, "option name", 1)
            within(option.get("description"), 100, "option description", 1)
        else:
            _check_command({**option, "type": 1})
