"""The Web API's methods that write: messages, statuses, reactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .rules import check_message, require
from .world import Json, Status, Team, World

POST_CUT, UPDATE_LIMIT = 40_000, 4_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A call of a method: the world, the workspace of the token, and the parameters."""

    world: World
    team: Team
    p: Json
    echo: Callable[[Json], None] = lambda _event: None


Method = Callable[[Asked], Json]


def reached(asked: Asked, key: str = "channel") -> str:
    """The channel that a call means, where the bot may act."""
    world, channel = asked.world, str(asked.p.get(key) or "")
    if channel in world.users:
        channel = world.im(channel, asked.team)
    inside = asked.team.bot_user in world.members.get(channel, ())
    about = world.channels.get(channel)
    require(about is not None and (inside or not about["is_private"]), "channel_not_found")
    require(inside, "not_in_channel")
    require(not world.channels[channel].get("is_archived"), "is_archived")
    return channel


def thread_of(asked: Asked, channel: str) -> str | None:
    """The first message of the thread that a call means; None where it means none."""
    thread = asked.p.get("thread_ts") or None
    if thread is not None:
        require(thread in asked.world.messages[channel], "thread_not_found")
        parent = asked.world.messages[channel][thread].get("thread_ts") or thread
        return str(parent)
    return None


def own_message(asked: Asked, error: str) -> tuple[str, Json]:
    """The bot's message that a call means, with its channel."""
    channel = reached(asked)
    message = asked.world.messages[channel].get(asked.p.get("ts", ""))
    require(message is not None, "message_not_found")
    assert message is not None
    require(message["user"] == asked.team.bot_user, error)
    return channel, message


def tell(asked: Asked, channel: str, message: Json, **fields: Any) -> None:
    """Raise the event of what the bot itself did."""
    asked.echo({**message, "channel": channel, **fields})


def _post(asked: Asked) -> Json:
    channel, p, world = reached(asked), asked.p, asked.world
    check_message(p)
    thread = thread_of(asked, channel)
    extra = {key: p[key] for key in ("blocks", "attachments", "metadata") if p.get(key)}
    text = (p.get("text") or p.get("markdown_text") or "")[:POST_CUT]
    message = world.put(channel, asked.team.bot_user, text, thread, **extra)
    world.sign(channel, thread)
    tell(asked, channel, message)
    return {"channel": channel, "ts": message["ts"], "message": message}


def _update(asked: Asked) -> Json:
    channel, message = own_message(asked, "cant_update_message")
    p, world = asked.p, asked.world
    stream = world.streams.get((channel, p["ts"]))
    require(stream is None or stream.state != "streaming", "streaming_state_conflict")
    check_message(p, UPDATE_LIMIT)
    before = dict(message)
    world.edits.setdefault((channel, p["ts"]), []).append(before)
    message["text"] = p.get("text") or p.get("markdown_text") or ""
    if "blocks" in p:
        message["blocks"] = p["blocks"]
    elif p.get("markdown_text") or stream:
        message.pop("blocks", None)
    if stream:
        stream.rewritten = True
    message["edited"] = {"user": asked.team.bot_user, "ts": world.new_ts()}
    world.sign(channel, message.get("thread_ts"))
    changed = {"message": dict(message), "previous_message": before, "subtype": "message_changed"}
    asked.echo({"type": "message", "channel": channel, "ts": world.new_ts(), "hidden": True, **changed})
    return {"channel": channel, "ts": p["ts"], "text": message["text"], "message": message}


def _delete(asked: Asked) -> Json:
    channel, message = own_message(asked, "cant_delete_message")
    stream = asked.world.streams.get((channel, message["ts"]))
    require(stream is None or stream.state != "streaming", "cant_delete_message")
    gone = asked.world.messages[channel].pop(message["ts"])
    asked.echo(
        {
            **{"type": "message", "subtype": "message_deleted", "channel": channel, "hidden": True},
            **{"ts": asked.world.new_ts(), "deleted_ts": gone["ts"], "previous_message": gone},
        }
    )
    return {"channel": channel, "ts": gone["ts"]}


def _ephemeral(asked: Asked) -> Json:
    channel, p, world = reached(asked), asked.p, asked.world
    check_message(p)
    require(p.get("user") in world.members[channel], "user_not_in_channel")
    thread, ts = thread_of(asked, channel), world.new_ts()
    whisper = {"ts": ts, "user": asked.team.bot_user, "channel": channel, "shown_to": p["user"]}
    kept = {"text": p.get("text") or p.get("markdown_text") or "", "blocks": p.get("blocks") or []}
    world.whispers.append({**whisper, **kept, "thread_ts": thread, "at": time.monotonic()})
    world.sign(channel, thread)
    return {"message_ts": ts}


def _permalink(asked: Asked) -> Json:
    channel, ts = reached(asked), asked.p.get("message_ts", "")
    require(ts in asked.world.messages[channel], "message_not_found")
    link = f"https://{asked.team.name.lower()}.slack.example/archives/{channel}/p{ts.replace('.', '')}"
    return {"channel": channel, "permalink": link}


def _react(asked: Asked) -> Json:
    channel, ts, name = reached(asked), asked.p.get("timestamp", ""), asked.p.get("name", "")
    require(ts in asked.world.messages[channel], "message_not_found")
    who = asked.world.reactions.setdefault((channel, ts), {}).setdefault(name, [])
    require(asked.team.bot_user not in who, "already_reacted")
    who.append(asked.team.bot_user)
    asked.world.sign(channel, ts)
    return {}


def _unreact(asked: Asked) -> Json:
    channel, ts, name = reached(asked), asked.p.get("timestamp", ""), asked.p.get("name", "")
    reactions = asked.world.reactions.get((channel, ts), {})
    require(asked.team.bot_user in reactions.get(name, ()), "no_reaction")
    reactions[name].remove(asked.team.bot_user)
    if not reactions[name]:
        del reactions[name]
    return {}


def _status(asked: Asked) -> Json:
    channel, p, world = reached(asked, "channel_id"), asked.p, asked.world
    thread = thread_of(asked, channel)
    require(thread, "invalid_arguments", "missing required field: thread_ts")
    require(isinstance(p.get("status"), str), "invalid_arguments", "missing required field: status")
    loading = tuple(p.get("loading_messages") or ())
    require(len(loading) <= 10, "invalid_arguments", "10 loading_messages at most")
    world.statuses.append(Status(channel, str(thread), p["status"], loading, time.monotonic()))
    if p["status"]:
        world.sign(channel, thread)
    return {}


def _title(asked: Asked) -> Json:
    channel = reached(asked, "channel_id")
    require(asked.p.get("title"), "invalid_arguments", "missing required field: title")
    asked.world.titles[channel, asked.p.get("thread_ts") or ""] = asked.p["title"]
    return {}


def _prompts(asked: Asked) -> Json:
    channel, prompts = reached(asked, "channel_id"), asked.p.get("prompts") or []
    require(0 < len(prompts) <= 4, "invalid_arguments", "1 to 4 prompts")
    require(
        all(p.get("title") and p.get("message") for p in prompts), "invalid_arguments", "title and message"
    )
    asked.world.prompts[channel, asked.p.get("thread_ts") or ""] = prompts
    return {}


CHAT: Mapping[str, Method] = {
    "chat.postMessage": _post,
    "chat.update": _update,
    "chat.delete": _delete,
    "chat.postEphemeral": _ephemeral,
    "chat.getPermalink": _permalink,
    "reactions.add": _react,
    "reactions.remove": _unreact,
    "assistant.threads.setStatus": _status,
    "assistant.threads.setTitle": _title,
    "assistant.threads.setSuggestedPrompts": _prompts,
}
