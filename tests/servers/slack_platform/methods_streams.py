"""The methods of streamed messages (https://docs.slack.dev/reference/methods/chat.startStream)."""

from __future__ import annotations

from collections.abc import Mapping

from .methods_chat import Asked, Method, own_message, reached, tell, thread_of
from .rules import MARKDOWN, RefusedError, check_blocks, check_chunk, require
from .showing import Stream
from .world import Json, World


def _append(world: World, stream: Stream, p: Json) -> None:
    text, chunks = p.get("markdown_text") or "", p.get("chunks") or []
    require(not (text and chunks), "invalid_arguments", "markdown_text or chunks, not both")
    mode = "markdown_text" if text else "chunks" if chunks else stream.mode
    require(stream.mode in ("", mode), "streaming_mode_mismatch")
    require(len(text) <= MARKDOWN, "msg_too_long")
    for chunk in chunks:
        check_chunk(chunk)
    said = text + "".join(chunk["text"] for chunk in chunks if chunk["type"] == "markdown_text")
    tasks = dict(stream.tasks)
    for chunk in chunks:
        if chunk["type"] == "task_update":
            tasks[chunk["id"]] = _merged(tasks.get(chunk["id"], {}), chunk)
    _room(world, stream.text + said, tasks)
    stream.mode, stream.text, stream.tasks = mode, stream.text + said, tasks
    for chunk in chunks:
        if chunk["type"] == "plan_update":
            stream.plan = chunk["title"]
        elif chunk["type"] == "blocks":
            stream.blocks += chunk["blocks"]


def _merged(task: Json, chunk: Json) -> Json:
    """A chunk replaces title, status and sources, and adds to details and output."""
    added = {key: task.get(key, "") + chunk[key] for key in ("details", "output") if chunk.get(key)}
    return {**task, **{key: value for key, value in chunk.items() if value is not None}, **added}


def _room(world: World, text: str, tasks: Mapping[str, Json]) -> None:
    size = len(text.encode())
    for task in tasks.values():
        details = f"{task.get('details', '')}{task.get('output', '')}"
        size += len(task["title"].encode()) + 2 * len(details.encode())
    fits = not text or size <= world.stream_bytes
    require(fits, "msg_too_long", f"the streamed message would hold {size} bytes")


def _start_stream(asked: Asked) -> Json:
    channel, p, world = reached(asked), asked.p, asked.world
    require(p.get("thread_ts"), "invalid_arguments", "missing required field: thread_ts")
    thread = thread_of(asked, channel)
    if not world.channels[channel]["is_im"]:
        require(p.get("recipient_team_id"), "missing_recipient_team_id")
        require(p.get("recipient_user_id"), "missing_recipient_user_id")
        require(p["recipient_user_id"] in world.users, "user_not_found")
    require(
        p.get("task_display_mode") in (None, "timeline", "plan"), "invalid_arguments", "task_display_mode"
    )
    stream = Stream(channel, "", world.stream_life)
    _append(world, stream, p)
    message = world.put(channel, asked.team.bot_user, "", thread)
    stream.ts = message["ts"]
    world.streams[channel, stream.ts] = stream
    world.sign(channel, thread)
    tell(asked, channel, message, streaming_state="in_progress")
    return {"channel": channel, "ts": stream.ts}


def _streaming(asked: Asked) -> tuple[Stream, Json]:
    channel, message = own_message(asked, "message_not_owned_by_app")
    stream = asked.world.streams.get((channel, message["ts"]))
    if stream is None or stream.state != "streaming":
        raise RefusedError("message_not_in_streaming_state")
    return stream, message


def _append_stream(asked: Asked) -> Json:
    stream, _message = _streaming(asked)
    require(asked.p.get("markdown_text") or asked.p.get("chunks"), "no_text")
    _append(asked.world, stream, asked.p)
    return {"channel": stream.channel, "ts": stream.ts}


def _stop_stream(asked: Asked) -> Json:
    stream, message = _streaming(asked)
    p = asked.p
    if p.get("blocks"):
        check_blocks(p["blocks"])
        require(
            len(p["blocks"]) + len(stream.blocks) <= 50,
            "invalid_blocks",
            "50 blocks at most with the stream's",
        )
    _append(asked.world, stream, p)
    stream.blocks += p.get("blocks") or []
    stream.stopped = True
    message |= {"text": stream.text, "blocks": stream.blocks}
    if p.get("metadata"):
        message["metadata"] = p["metadata"]
    changed = {"subtype": "message_changed", "message": dict(message), "hidden": True}
    asked.echo({"type": "message", "channel": stream.channel, "ts": asked.world.new_ts(), **changed})
    return {"channel": stream.channel, "ts": stream.ts, "message": message}


STREAMS: Mapping[str, Method] = {
    "chat.startStream": _start_stream,
    "chat.appendStream": _append_stream,
    "chat.stopStream": _stop_stream,
}
