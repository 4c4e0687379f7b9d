"""The app's side of an interaction (https://docs.discord.com/developers/interactions/receiving-and-responding)."""

from __future__ import annotations

import time
from typing import Any

from .asked import Asked, Routes
from .commands import AUTOCOMPLETE, COMMAND, COMPONENT, MESSAGE_MENU, MODAL
from .interactions import Interaction
from .messages import COMMAND as COMMAND_MESSAGE
from .messages import MENU_COMMAND, REPLY
from .rules import EPHEMERAL, LOADING, RefusedError, check_modal, require
from .world import Json

INTERACTIONS = Routes()
WEBHOOK = "/webhooks/{app}/{token}"
SAY, DEFER, DEFER_UPDATE, UPDATE, CHOICES, OPEN_MODAL = 4, 5, 6, 7, 8, 9
ALLOWED = {
    COMMAND: (SAY, DEFER, OPEN_MODAL),
    COMPONENT: (SAY, DEFER, DEFER_UPDATE, UPDATE, OPEN_MODAL),
    AUTOCOMPLETE: (CHOICES,),
    MODAL: (SAY, DEFER, DEFER_UPDATE, UPDATE),
}


@INTERACTIONS.on("POST", "/interactions/{interaction}/{token}/callback")
def _callback(ask: Asked) -> Any:
    found = ask.world.interactions.get(ask.path["interaction"])
    if found is None or found.token != ask.path["token"]:
        raise RefusedError(10062)
    require(found.response is None, 40060)
    require(not ask.world.expired(found), 10062)
    kind, data = ask.body["type"], ask.body.get("data") or {}
    fits = kind in ALLOWED[found.kind] and (kind not in (DEFER_UPDATE, UPDATE) or found.source)
    require(fits, 50035, f"type: {kind} does not answer an interaction of type {found.kind}")
    _apply(ask, found, kind, data)
    found.response, found.seconds = kind, time.monotonic() - found.at
    found.done.set()
    if ask.query.get("with_response") not in ("1", "true"):
        return None
    told: Json = {"id": found.id, "type": found.kind}
    resource: Json = {"type": kind}
    if kind in (SAY, DEFER, UPDATE, DEFER_UPDATE):
        message = ask.world.messages[found.channel][found.original]
        told |= {"response_message_id": found.original, "response_message_loading": kind == DEFER}
        told["response_message_ephemeral"] = bool(message["flags"] & EPHEMERAL)
        resource["message"] = message
    return {"interaction": told, "resource": resource}


def _apply(ask: Asked, found: Interaction, kind: int, data: Json) -> None:
    if kind in (SAY, DEFER):
        flags = data.get("flags", 0)
        fields = ask.fields(data) if kind == SAY else {"flags": flags & EPHEMERAL | LOADING}
        found.original, found.loading = _say(ask, found, fields, data), kind == DEFER
    elif kind == CHOICES:
        require(len(data["choices"]) <= 25, 50035, "choices: 25 at most")
        require(all(1 <= len(c["name"]) <= 100 for c in data["choices"]), 50035, "choice name: 1 to 100")
        found.choices = data["choices"]
    elif kind == OPEN_MODAL:
        check_modal(data)
        found.modal = data
    else:
        found.original = found.source
        if kind == UPDATE:
            _rewrite(ask, found, found.original, data)


def _say(ask: Asked, found: Interaction, fields: Json, data: Json) -> str:
    world = ask.world
    is_menu = found.body.get("type") == MESSAGE_MENU
    kinds = {COMMAND: MENU_COMMAND if is_menu else COMMAND_MESSAGE, COMPONENT: REPLY}
    owners: Json = {"authorizing_integration_owners": {}}
    metadata = {"id": found.id, "type": found.kind, "user": world.users[found.user], **owners}
    about: Json = {"type": kinds.get(found.kind, 0), "interaction_metadata": metadata}
    if found.kind == MODAL:
        metadata["triggering_interaction_metadata"] = {**metadata, "type": COMMAND}
    if found.kind == COMPONENT:
        about |= {**world.reply_fields(found.channel, found.source), "type": REPLY}
        metadata["interacted_message_id"] = found.source
    if is_menu:
        metadata["target_message_id"] = found.body["target_id"]
    about |= {"webhook_id": world.application_id, "application_id": world.application_id}
    allowed = data.get("allowed_mentions")
    message = world.put(found.channel, world.bot, allowed_mentions=allowed, **about, **fields)
    if message["flags"] & EPHEMERAL:
        world.shown_to[message["id"]] = found.user
    world.said(message)
    return str(message["id"])


def _rewrite(ask: Asked, found: Interaction, message_id: str, data: Json) -> Json:
    before = ask.world.messages[found.channel].get(message_id)
    if before is None:
        raise RefusedError(10008)
    was_loading = before["flags"] & LOADING
    bare = {**before, "flags": before["flags"] & ~LOADING}
    fields = ask.fields(data, bare)
    if was_loading:
        ask.world.allowed[message_id] = data.get("allowed_mentions")
    message = ask.world.change(found.channel, message_id, **fields)
    if was_loading:
        ask.world.repinged(message)
    found.loading = found.loading and message_id != found.original
    return message


def _live(ask: Asked) -> Interaction:
    token = ask.path["token"]
    found = next((each for each in ask.world.interactions.values() if each.token == token), None)
    if found is None or found.response is None:
        raise RefusedError(10015)
    require(not ask.world.expired(found), 50027)
    return found


def _message_id(ask: Asked, found: Interaction) -> str:
    wanted = found.original if ask.path["message"] == "@original" else ask.path["message"]
    require(wanted in ask.world.messages[found.channel], 10008)
    require(wanted in ask.world.interaction_messages(found), 10008)
    return wanted


@INTERACTIONS.on("POST", WEBHOOK)
def _follow_up(ask: Asked) -> Any:
    found = _live(ask)
    if found.loading:
        flags = ask.body.get("flags", 0) & ~EPHEMERAL
        return _rewrite(ask, found, found.original, {**ask.body, "flags": flags})
    message_id = _say(ask, found, ask.fields(ask.body), ask.body)
    found.followups.append(message_id)
    return ask.world.messages[found.channel][message_id]


@INTERACTIONS.on("GET", f"{WEBHOOK}/messages/{{message}}")
def _get(ask: Asked) -> Any:
    found = _live(ask)
    return ask.world.messages[found.channel][_message_id(ask, found)]


@INTERACTIONS.on("PATCH", f"{WEBHOOK}/messages/{{message}}")
def _patch(ask: Asked) -> Any:
    found = _live(ask)
    return _rewrite(ask, found, _message_id(ask, found), ask.body)


@INTERACTIONS.on("DELETE", f"{WEBHOOK}/messages/{{message}}")
def _delete(ask: Asked) -> Any:
    found = _live(ask)
    ask.world.remove(found.channel, _message_id(ask, found))
