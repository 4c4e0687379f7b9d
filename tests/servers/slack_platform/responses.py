"""What arrives at a response URL (https://docs.slack.dev/interactivity/handling-user-interaction#message_responses)."""

from __future__ import annotations

import time

from .rules import RefusedError, check_blocks
from .world import Json, World

MOST_USES = 5


def respond(world: World, name: str, body: Json) -> tuple[int, str]:
    """Show what the app answers; a response URL works five times within half an hour."""
    place = world.response_urls.get(name)
    if place is None or time.monotonic() - place["at"] > 1_800:
        return 404, "expired_url"
    if place["uses"] >= MOST_USES:
        return 404, "used_url"
    place["uses"] += 1
    try:
        if body.get("blocks"):
            check_blocks(body["blocks"])
    except RefusedError as refusal:
        return 400, str(refusal.reply["error"])
    channel, ts = place["channel"], place.get("ts")
    whispered = next((w for w in world.whispers if w["channel"] == channel and w["ts"] == ts), None)
    content: Json = {"text": body.get("text") or "", "blocks": body.get("blocks") or []}
    if body.get("delete_original") and ts:
        if whispered:
            world.whispers.remove(whispered)
        else:
            world.messages[channel].pop(ts, None)
    elif body.get("replace_original") and ts:
        (whispered or world.messages[channel][ts]).update(content)
        if stream := world.streams.get((channel, ts)):
            stream.rewritten = True
    elif body.get("response_type") == "in_channel":
        world.put(
            channel,
            world.bot_of(channel).bot_user,
            content["text"],
            body.get("thread_ts"),
            blocks=content["blocks"],
        )
    else:
        whisper(world, place["user"], channel, body, body.get("thread_ts"))
    return 200, "ok"


def whisper(world: World, user: str, channel: str, body: Json, thread_ts: str | None = None) -> Json:
    """Show something to one person alone."""
    about = {
        "ts": world.new_ts(),
        "user": world.bot_of(channel).bot_user,
        "channel": channel,
        "shown_to": user,
    }
    content = {"text": body.get("text") or "", "blocks": body.get("blocks") or [], "thread_ts": thread_ts}
    world.whispers.append({**about, **content, "at": time.monotonic()})
    return world.whispers[-1]
