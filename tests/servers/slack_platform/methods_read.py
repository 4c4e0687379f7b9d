"""The Web API's methods that read, that open views, and those of files and installation."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from .methods_chat import Asked, Method, reached
from .rules import check_view, require
from .world import Json


def _page(key: str, found: Sequence[Any], p: Json) -> Json:
    start, limit = int(p.get("cursor") or 0), int(p.get("limit") or 100)
    more = start + limit < len(found)
    cursor = str(start + limit) if more else ""
    extra = {"has_more": more} if key == "messages" else {}
    return {key: list(found[start : start + limit]), **extra, "response_metadata": {"next_cursor": cursor}}


def _true(value: Any) -> bool:
    return str(value).lower() in ("1", "true")


def _auth_test(asked: Asked) -> Json:
    team = asked.team
    url = f"https://{team.name.lower()}.slack.example/"
    who = {"user": "lorebot", "user_id": team.bot_user, "bot_id": team.bot_id}
    return {"url": url, "team": team.name, "team_id": team.id, **who, "is_enterprise_install": False}


def _auth_revoke(asked: Asked) -> Json:
    asked.team.revoked = not _true(asked.p.get("test"))
    return {"revoked": asked.team.revoked}


def _seen_message(asked: Asked, channel: str, message: Json) -> Json:
    ts, world = message["ts"], asked.world
    replies = [r for r in world.threads.get((channel, ts), ()) if r in world.messages[channel]]
    thread = {"thread_ts": ts, "reply_count": len(replies), "latest_reply": replies[-1]} if replies else {}
    counted = world.reactions.get((channel, ts), {})
    reactions = [{"name": name, "users": users, "count": len(users)} for name, users in counted.items()]
    stream = world.streams.get((channel, ts))
    blocks = message.get("blocks") or []
    text = {}
    if stream and not stream.rewritten:
        said = [{"type": "rich_text", "elements": []}] if stream.text else []
        text, blocks = {"text": stream.text}, [*said, *stream.blocks]
    # Slack names what the app did not name.
    named = [{"block_id": f"b{number}", **block} for number, block in enumerate(blocks)]
    seen = {**message, **text, **thread, **({"reactions": reactions} if reactions else {})}
    return seen | ({"blocks": named} if named else {})


def _history(asked: Asked) -> Json:
    channel, p = reached(asked), asked.p
    oldest, latest = str(p.get("oldest") or "0"), str(p.get("latest") or "9" * 12)
    inclusive = _true(p.get("inclusive"))
    roots = [m for m in asked.world.messages[channel].values() if m.get("thread_ts") in (None, m["ts"])]
    found = [
        _seen_message(asked, channel, message)
        for message in reversed(roots)
        if float(oldest) < float(message["ts"]) < float(latest)
        or (inclusive and message["ts"] in (oldest, latest))
    ]
    return _page("messages", found, p)


def _replies(asked: Asked) -> Json:
    channel, p, world = reached(asked), asked.p, asked.world
    require(p.get("ts") in world.messages[channel], "thread_not_found")
    parent = world.messages[channel][p["ts"]].get("thread_ts") or p["ts"]
    if parent != p["ts"]:
        # Of a reply Slack shows the reply alone.
        return _page("messages", [_seen_message(asked, channel, world.messages[channel][p["ts"]])], p)
    stamps = [parent, *world.threads.get((channel, parent), ())]
    found = [world.messages[channel][ts] for ts in stamps if ts in world.messages[channel]]
    oldest, latest = str(p.get("oldest") or "0"), str(p.get("latest") or "9" * 12)
    inclusive = _true(p.get("inclusive"))
    kept = [
        m
        for m in found
        if m["ts"] == parent
        or float(oldest) < float(m["ts"]) < float(latest)
        or (inclusive and m["ts"] in (oldest, latest))
    ]
    return _page("messages", [_seen_message(asked, channel, message) for message in kept], p)


def _channel(asked: Asked, channel: str) -> Json:
    about, members = asked.world.channels.get(channel), asked.world.members.get(channel, set())
    inside = asked.team.bot_user in members
    require(about is not None and (inside or not about["is_private"]), "channel_not_found")
    return {**asked.world.channels[channel], "is_member": inside}


def _info(asked: Asked) -> Json:
    channel = str(asked.p.get("channel") or "")
    number = {"num_members": len(asked.world.members.get(channel, ()))}
    return {
        "channel": {
            **_channel(asked, channel),
            **(number if _true(asked.p.get("include_num_members")) else {}),
        }
    }


def _members(asked: Asked) -> Json:
    channel = str(asked.p.get("channel") or "")
    _channel(asked, channel)
    return _page("members", sorted(asked.world.members[channel]), asked.p)


def _list(asked: Asked) -> Json:
    kinds = {"im": "is_im", "mpim": "is_mpim", "private_channel": "is_group", "public_channel": "is_channel"}
    wanted = [
        kinds[kind] for kind in str(asked.p.get("types") or "public_channel").split(",") if kind in kinds
    ]
    found = []
    for channel, about in asked.world.channels.items():
        inside = asked.team.bot_user in asked.world.members[channel]
        archived = about.get("is_archived") and _true(asked.p.get("exclude_archived"))
        ours = inside or (not about["is_private"] and asked.world.team_of(about) == asked.team.id)
        if ours and not archived and any(about.get(kind) for kind in wanted):
            found.append({**about, "is_member": inside})
    return _page("channels", found, asked.p)


def _open_conversation(asked: Asked) -> Json:
    users = str(asked.p.get("users") or "")
    require(users in asked.world.users, "user_not_found")
    require(users != asked.team.bot_user, "cannot_dm_bot")
    return {"channel": {"id": asked.world.im(users, asked.team)}}


def _user(asked: Asked) -> Json:
    require(asked.p.get("user") in asked.world.users, "user_not_found")
    return {"user": asked.world.users[asked.p["user"]]}


def _users(asked: Asked) -> Json:
    found = [u for u in asked.world.users.values() if asked.world.team_of(u) == asked.team.id]
    return _page("members", found, asked.p)


def _groups(asked: Asked) -> Json:
    found = [group for group in asked.world.groups.values() if group["team_id"] == asked.team.id]
    if not _true(asked.p.get("include_users")):
        found = [{key: value for key, value in group.items() if key != "users"} for group in found]
    return {"usergroups": found}


def _group_users(asked: Asked) -> Json:
    require(asked.p.get("usergroup") in asked.world.groups, "no_such_subteam")
    return {"users": asked.world.groups[asked.p["usergroup"]]["users"]}


def _bot(asked: Asked) -> Json:
    for team in asked.world.teams.values():
        if team.bot_id == asked.p.get("bot", asked.team.bot_id):
            about = {
                "id": team.bot_id,
                "app_id": asked.world.app_id,
                "user_id": team.bot_user,
                "name": "lorebot",
            }
            return {"bot": {**about, "deleted": False}}
    others = {f"B{user[1:]}": user for user, about in asked.world.users.items() if about["is_bot"]}
    require(asked.p["bot"] in others, "bot_not_found")
    return {"bot": {"id": asked.p["bot"], "user_id": others[asked.p["bot"]], "deleted": False}}


def _file(asked: Asked) -> Json:
    file = asked.world.files.get(str(asked.p.get("file") or ""))
    require(file is not None, "file_not_found")
    assert file is not None
    require(file["mode"] != "tombstone", "file_deleted")
    return {"file": {**file, "file_access": "visible"}}


def _upload_url(asked: Asked) -> Json:
    p, world = asked.p, asked.world
    require(p.get("filename") and int(p.get("length") or 0) > 0, "invalid_arguments")
    file = world.file(p["filename"], b"", user=asked.team.bot_user, size=int(p["length"]))
    return {"file_id": file, "upload_url": f"{world.url}/upload/{file}"}


def _complete_upload(asked: Asked) -> Json:
    p, world = asked.p, asked.world
    require(all(world.contents.get(item["id"]) for item in p["files"]), "file_not_found")
    files = [world.files[item["id"]] for item in p["files"]]
    if p.get("channel_id"):
        channel = reached(asked, "channel_id")
        world.put(
            channel, asked.team.bot_user, p.get("initial_comment") or "", p.get("thread_ts"), files=files
        )
        world.sign(channel, p.get("thread_ts"))
    return {"files": files}


def _new_view(asked: Asked, view: Json, user: str, **fields: Any) -> Json:
    number = asked.world.number()
    kept = {
        "id": f"V{number:05d}",
        "hash": f"{number}.hash",
        "team_id": asked.team.id,
        "app_id": asked.world.app_id,
    }
    kept["root_view_id"] = kept["id"]
    return {**view, **kept, "bot_id": asked.team.bot_id, "state": {"values": {}}, "for_user": user, **fields}


def _opener(asked: Asked) -> str:
    expiry, user = asked.world.triggers.pop(str(asked.p.get("trigger_id") or ""), (None, ""))
    require(expiry is not None, "invalid_trigger_id")
    require(time.monotonic() < (expiry or 0), "expired_trigger_id")
    return user


def _open_view(asked: Asked) -> Json:
    user = _opener(asked)
    check_view(asked.p.get("view"))
    require(asked.p["view"]["type"] == "modal", "invalid_arguments", "views.open takes a modal")
    view = _new_view(asked, asked.p["view"], user)
    asked.world.views[view["id"]] = view
    return {"view": view}


def _push_view(asked: Asked) -> Json:
    user = _opener(asked)
    check_view(asked.p.get("view"))
    stack = [view for view in asked.world.views.values() if view["for_user"] == user]
    require(0 < len(stack) < 3, "push_limit_reached")
    below = {"previous_view_id": stack[-1]["id"], "root_view_id": stack[0]["id"]}
    view = _new_view(asked, asked.p["view"], user, **below)
    asked.world.views[view["id"]] = view
    return {"view": view}


def _update_view(asked: Asked) -> Json:
    p, world = asked.p, asked.world
    wanted = p.get("view_id") or next(
        (i for i, v in world.views.items() if v.get("external_id") == p.get("external_id")), ""
    )
    require(wanted in world.views, "not_found")
    old = world.views[wanted]
    require(p.get("hash") in (None, old["hash"]), "hash_conflict")
    check_view(p.get("view"))
    world.views[wanted] = {**old, **p["view"], "hash": f"{world.number()}.hash"}
    return {"view": world.views[wanted]}


def _publish(asked: Asked) -> Json:
    p, world = asked.p, asked.world
    require(p.get("user_id") in world.users, "user_not_found")
    old = world.homes.get(p["user_id"])
    require(p.get("hash") is None or (old and p["hash"] == old["hash"]), "hash_conflict")
    check_view(p.get("view"))
    require(p["view"]["type"] == "home", "invalid_arguments", "views.publish takes a home")
    world.homes[p["user_id"]] = _new_view(asked, p["view"], p["user_id"])
    return {"view": world.homes[p["user_id"]]}


READ: Mapping[str, Method] = {
    "auth.test": _auth_test,
    "auth.revoke": _auth_revoke,
    "bots.info": _bot,
    "users.info": _user,
    "users.list": _users,
    "usergroups.list": _groups,
    "usergroups.users.list": _group_users,
    "conversations.info": _info,
    "conversations.members": _members,
    "conversations.list": _list,
    "conversations.history": _history,
    "conversations.replies": _replies,
    "conversations.open": _open_conversation,
    "files.info": _file,
    "files.getUploadURLExternal": _upload_url,
    "files.completeUploadExternal": _complete_upload,
    "views.open": _open_view,
    "views.push": _push_view,
    "views.update": _update_view,
    "views.publish": _publish,
}
