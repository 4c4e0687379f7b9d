"""The routes of channels: messages, threads, typing and reactions."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import unquote

from .asked import Asked, Routes
from .permissions import (
    ADD_REACTIONS,
    MANAGE_MESSAGES,
    MANAGE_THREADS,
    PRIVATE_THREADS,
    PUBLIC_THREADS,
    READ_HISTORY,
    SEND_MESSAGES,
)
from .rules import require, within
from .world import KINDS, THREADS, Json

CHANNELS = Routes()
MESSAGE = "/channels/{channel}/messages/{message}"


@CHANNELS.on("GET", "/channels/{channel}")
def _channel(ask: Asked) -> Any:
    return ask.world.channel_json(ask.channel())


@CHANNELS.on("PATCH", "/channels/{channel}")
def _change_channel(ask: Asked) -> Any:
    channel = ask.channel()
    about = ask.world.channels[channel]
    own = about["type"] in THREADS and about["owner_id"] == ask.world.bot
    require(own or ask.world.may(ask.world.bot, channel, MANAGE_THREADS), 50013)
    metadata = ("archived", "locked", "auto_archive_duration")
    if about["type"] in THREADS:
        about["thread_metadata"] |= {key: ask.body[key] for key in metadata if key in ask.body}
    about |= {key: value for key, value in ask.body.items() if key not in metadata}
    name = "THREAD_UPDATE" if about["type"] in THREADS else "CHANNEL_UPDATE"
    ask.world.tell_in(channel, name, ask.world.channel_json(channel))
    return ask.world.channel_json(channel)


@CHANNELS.on("GET", "/channels/{channel}/messages")
def _history(ask: Asked) -> Any:
    channel = ask.channel()
    if not ask.world.may(ask.world.bot, channel, READ_HISTORY):
        return []
    ids = [int(each) for each in ask.world.messages[channel] if each not in ask.world.shown_to]
    limit, query = int(ask.query.get("limit", 50)), ask.query
    ids.sort(reverse=True)
    if "after" in query:
        ids = [each for each in ids if each > int(query["after"])][-limit:]
    elif "around" in query:
        ids.sort(key=lambda each: abs(each - int(query["around"])))
        ids = sorted(ids[:limit], reverse=True)
    else:
        ids = [each for each in ids if each < int(query.get("before", 1 << 63))][:limit]
    return [_read(ask, ask.world.messages[channel][str(each)]) for each in ids]


@CHANNELS.on("GET", MESSAGE)
def _one(ask: Asked) -> Any:
    return _read(ask, ask.message(READ_HISTORY))


def _read(ask: Asked, message: Json) -> Json:
    intents = 1 << 15 if "message_content" in ask.world.privileged else 0
    return ask.world.hidden(ask.world.message_json(message), intents)


@CHANNELS.on("POST", "/channels/{channel}/messages")
def _post(ask: Asked) -> Any:
    world, channel = ask.world, ask.channel()
    ask.writable(channel)
    nonce = ask.body.get("nonce")
    if nonce and ask.body.get("enforce_nonce"):
        for message in world.messages[channel].values():
            if message.get("nonce") == nonce and message["author"]["id"] == world.bot:
                return world.message_json(message)
    fields = ask.fields(ask.body)
    if reference := ask.body.get("message_reference"):
        about = world.reply_fields(channel, str(reference["message_id"]))
        require(about["referenced_message"] or not reference.get("fail_if_not_exists", True), 50035)
        fields |= about
    if nonce:
        fields["nonce"] = nonce
    world.wake(channel)
    message = world.put(channel, world.bot, allowed_mentions=ask.body.get("allowed_mentions"), **fields)
    world.said(message)
    return message


@CHANNELS.on("PATCH", MESSAGE)
def _edit(ask: Asked) -> Any:
    message = ask.message()
    only_flags = set(ask.body) <= {"flags"}
    require(message["author"]["id"] == ask.world.bot or only_flags, 50005)
    return ask.world.change(message["channel_id"], message["id"], **ask.fields(ask.body, message))


@CHANNELS.on("DELETE", MESSAGE)
def _delete(ask: Asked) -> Any:
    own = ask.message()["author"]["id"] == ask.world.bot
    message = ask.message(0 if own else MANAGE_MESSAGES)
    ask.world.remove(message["channel_id"], message["id"])


@CHANNELS.on("POST", "/channels/{channel}/typing")
def _type(ask: Asked) -> Any:
    channel = ask.channel()
    ask.writable(channel)
    ask.world.typing.append((channel, time.monotonic()))


@CHANNELS.on("PUT", f"{MESSAGE}/reactions/{{emoji}}/@me")
def _react(ask: Asked) -> Any:
    message = ask.message(ADD_REACTIONS | READ_HISTORY)
    who = ask.world.reactions.setdefault(message["id"], {}).setdefault(unquote(ask.path["emoji"]), [])
    if ask.world.bot not in who:
        who.append(ask.world.bot)


@CHANNELS.on("DELETE", f"{MESSAGE}/reactions/{{emoji}}/@me")
def _unreact(ask: Asked) -> Any:
    who = ask.world.reactions.get(ask.message()["id"], {}).get(unquote(ask.path["emoji"]), [])
    if ask.world.bot in who:
        who.remove(ask.world.bot)


@CHANNELS.on("POST", f"{MESSAGE}/threads")
def _thread_from(ask: Asked) -> Any:
    message = ask.message(PUBLIC_THREADS)
    require(message["id"] not in ask.world.channels, 160004)
    parent = ask.world.channels[message["channel_id"]]
    require(parent["type"] in (KINDS["text"], KINDS["news"]), 50024)
    within(ask.body.get("name"), 100, "name", 1)
    thread = ask.world.start_thread(
        message["channel_id"], ask.world.bot, ask.body["name"], message_id=message["id"]
    )
    return ask.world.thread_json(thread)


@CHANNELS.on("POST", "/channels/{channel}/threads")
def _thread(ask: Asked) -> Any:
    world, parent = ask.world, ask.channel()
    within(ask.body.get("name"), 100, "name", 1)
    if world.channels[parent]["type"] == KINDS["forum"]:
        require(world.may(world.bot, parent, SEND_MESSAGES), 50013)
        fields = ask.fields(ask.body["message"])
        thread = world.start_thread(parent, world.bot, ask.body["name"])
        first = world.put(thread, world.bot, id=thread, **fields)
        world.said(first)
        return {**world.thread_json(thread), "message": first}
    private = ask.body.get("type", KINDS["private thread"]) == KINDS["private thread"]
    ask.channel(PRIVATE_THREADS if private else PUBLIC_THREADS)
    return world.thread_json(world.start_thread(parent, world.bot, ask.body["name"], private=private))


@CHANNELS.on("GET", "/channels/{channel}/thread-members")
def _thread_members(ask: Asked) -> Any:
    thread = ask.channel()
    return [_thread_member(ask, thread, user) for user in ask.world.thread_members[thread]]


@CHANNELS.on("GET", "/channels/{channel}/thread-members/{user}")
def _thread_member_of(ask: Asked) -> Any:
    thread = ask.channel()
    require(ask.path["user"] in ask.world.thread_members[thread], 10007)
    return _thread_member(ask, thread, ask.path["user"])


def _thread_member(ask: Asked, thread: str, user: str) -> Json:
    told = ask.world.thread_member(thread, user)
    if ask.query.get("with_member") in ("1", "true", "True"):
        told["member"] = ask.world.member(ask.world.channels[thread]["guild_id"], user)
    return told


@CHANNELS.on("PUT", "/channels/{channel}/thread-members/{user}")
def _join(ask: Asked) -> Any:
    user = ask.world.bot if ask.path["user"] == "@me" else ask.path["user"]
    ask.world.join_thread(ask.channel(), user)


@CHANNELS.on("DELETE", "/channels/{channel}/thread-members/{user}")
def _leave(ask: Asked) -> Any:
    user = ask.world.bot if ask.path["user"] == "@me" else ask.path["user"]
    ask.world.leave_thread(ask.channel(), user)


@CHANNELS.on("GET", "/channels/{channel}/threads/archived/{kind}")
def _archived(ask: Asked) -> Any:
    kind = KINDS["private thread" if ask.path["kind"] == "private" else "public thread"]
    threads = [
        each for each in ask.world.threads_of(ask.channel(READ_HISTORY)) if ask.world.may(ask.world.bot, each)
    ]
    found = [ask.world.thread_json(each) for each in threads]
    found = [each for each in found if each["thread_metadata"]["archived"] and each["type"] == kind]
    return {"threads": found, "members": [], "has_more": False}
