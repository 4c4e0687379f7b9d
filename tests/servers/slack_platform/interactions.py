"""Commands, buttons, shortcuts and modals: what a person can do with what the app shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from .deliveries import Delivery
from .people import People
from .responses import whisper
from .rules import RefusedError, check_view
from .showing import interactive
from .world import Json


class Interactions(People):
    """People who use commands, buttons, shortcuts and modals. One can only press what is shown."""

    async def slash(self, user: str, channel: str, text: str, command: str = "/lorebot") -> Delivery:
        """Type a slash command. What the ack carries is shown to the user."""
        team = self.bot_of(channel)
        about = {"channel_id": channel, "channel_name": self.channels[channel].get("name", "directmessage")}
        who = {"user_id": user, "user_name": self.users[user]["name"], "team_domain": team.name.lower()}
        app = {
            "token": "verification",
            "team_id": team.id,
            "api_app_id": self.app_id,
            "is_enterprise_install": "false",
        }
        more = {"response_url": self._response_url(user, channel), "trigger_id": self.trigger(user)}
        body = {**app, **about, **who, **more, "command": command, "text": text}
        return await self.deliveries.deliver("slash_commands", body, self._show_ack(user, channel))

    async def press(
        self, user: str, channel: str, ts: str, action_id: str, value: str | None = None
    ) -> Delivery:
        """Use a button, a feedback button (by value, or `positive`, `negative`) or a menu (by value)."""
        whispered = next((w for w in self.whispers if w["ts"] == ts and w["shown_to"] == user), None)
        message = whispered or self.message_as_event(channel, ts)
        action = self._action(message.get("blocks") or [], action_id, value)
        container = {
            "type": "message",
            "message_ts": ts,
            "channel_id": channel,
            "is_ephemeral": bool(whispered),
        }
        if message.get("thread_ts"):
            container["thread_ts"] = message["thread_ts"]
        place: Json = {"container": container, "channel": self._where(channel)}
        if whispered is None:
            place["message"] = message
        url = self._response_url(user, channel, ts)
        body = {
            **self._interaction("block_actions", user, channel),
            **place,
            "response_url": url,
            "actions": [action],
        }
        return await self.deliveries.deliver("interactive", body)

    async def press_in_view(
        self, user: str, view_id: str, action_id: str, value: str | None = None
    ) -> Delivery:
        """Use an element of a modal or of the user's Home tab."""
        view = self.views.get(view_id) or self.homes[user]
        action = self._action(view["blocks"], action_id, value)
        container = {"type": "view", "view_id": view["id"]}
        body = {
            **self._interaction("block_actions", user),
            "container": container,
            "view": view,
            "actions": [action],
        }
        return await self.deliveries.deliver("interactive", body)

    async def shortcut(self, user: str, channel: str, ts: str, callback_id: str) -> Delivery:
        """Use a message shortcut."""
        place = {
            "channel": self._where(channel),
            "message": self.message_as_event(channel, ts),
            "message_ts": ts,
        }
        more = {
            "callback_id": callback_id,
            "response_url": self._response_url(user, channel),
            "action_ts": self.new_ts(),
        }
        body = {**self._interaction("message_action", user, channel), **place, **more}
        return await self.deliveries.deliver("interactive", body)

    async def global_shortcut(self, user: str, callback_id: str) -> Delivery:
        """Use a shortcut from the search or the composer."""
        more = {"callback_id": callback_id, "action_ts": self.new_ts()}
        return await self.deliveries.deliver("interactive", {**self._interaction("shortcut", user), **more})

    async def submit_view(self, user: str, view_id: str, values: Mapping[str, Any]) -> Delivery:
        """Submit a modal. `values` are by action id or block id; the ack may carry a `response_action`."""
        view = self.views[view_id]
        view["state"] = {"values": self._values(view, dict(values))}
        body = {**self._interaction("view_submission", user), "view": view, "response_urls": []}
        return await self.deliveries.deliver(
            "interactive", body, lambda payload: self._submitted(view_id, payload)
        )

    async def close_view(self, user: str, view_id: str) -> Delivery | None:
        """Close a modal; the app hears of it where the view asked for that."""
        view = self.views.pop(view_id)
        if not view.get("notify_on_close"):
            return None
        body = {**self._interaction("view_closed", user), "view": view, "is_cleared": False}
        return await self.deliveries.deliver("interactive", body)

    def modal(self, user: str) -> Json | None:
        """The modal that a person has in front; its `errors` are why the last submission was refused."""
        return next((view for view in reversed(self.views.values()) if view["for_user"] == user), None)

    def home(self, user: str) -> Json | None:
        """A person's Home tab, once published."""
        return self.homes.get(user)

    def message_as_event(self, channel: str, ts: str) -> Json:
        """A message as payloads carry it: with the blocks that are shown now."""
        seen = self.message(channel, ts)
        return {**self.messages[channel][ts], "text": seen.text, "blocks": list(seen.blocks)}

    def _interaction(self, kind: str, user: str, channel: str = "") -> Json:
        team = (
            self.bot_of(channel) if channel else self.teams.get(self.team_of(self.users[user])) or self.team
        )
        where = {"id": team.id, "domain": team.name.lower()}
        who = {"id": user, "username": self.users[user]["name"], "name": self.users[user]["name"]}
        more = {"api_app_id": self.app_id, "token": "verification", "trigger_id": self.trigger(user)}
        person = {**who, "team_id": self.team_of(self.users[user])}
        return {
            "type": kind,
            "team": where,
            "user": person,
            **more,
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def _where(self, channel: str) -> Json:
        return {"id": channel, "name": self.channels[channel].get("name", "directmessage")}

    def _response_url(self, user: str, channel: str, ts: str = "") -> str:
        name = f"r{self.number()}"
        self.response_urls[name] = {
            "user": user,
            "channel": channel,
            "ts": ts,
            "uses": 0,
            "at": time.monotonic(),
        }
        return f"{self.url}/response/{name}"

    def _show_ack(self, user: str, channel: str) -> Callable[[Json], None]:
        def show(payload: Json) -> None:
            if payload.get("response_type") == "in_channel":
                self.put(
                    channel,
                    self.bot_of(channel).bot_user,
                    payload.get("text", ""),
                    blocks=payload.get("blocks"),
                )
            elif payload.get("text") or payload.get("blocks"):
                whisper(self, user, channel, payload)

        return show

    def _action(self, blocks: list[Json], action_id: str, value: str | None) -> Json:
        elements = [element for block in blocks for element in interactive(block)]
        named = [element for element in elements if element["action_id"] == action_id]
        assert named, f"nothing with action_id {action_id} is shown, but {[e['action_id'] for e in elements]}"
        stamp = {"action_ts": self.new_ts()}
        for element in named:
            about = {key: element[key] for key in ("type", "action_id", "block_id")} | stamp
            sides = {side: element.get(f"{side}_button") for side in ("positive", "negative")}
            for side, button in sides.items():
                if button and value in (side, button["value"]):
                    return {**about, "text": button["text"], "value": button["value"]}
            for option in element.get("options", ()):
                if option["value"] == value:
                    return {**about, "selected_option": option}
            if element["type"] == "button" and value in (None, element.get("value")):
                return {**about, "text": element["text"], "value": element.get("value", "")}
        raise AssertionError(f"{action_id} is shown, but not with the value {value}")

    def _values(self, view: Json, given: dict[str, Any]) -> Json:
        values: Json = {}
        for block in view["blocks"]:
            if block["type"] != "input":
                continue
            element, name = block["element"], block.get("block_id", "")
            raw = given.pop(element["action_id"], given.pop(name, None))
            entry: Json = {"type": element["type"]}
            options = {option["value"]: option for option in element.get("options", ())}
            if element["type"] == "checkboxes":
                entry["selected_options"] = [options[value] for value in raw or ()]
            elif options:
                entry["selected_option"] = None if raw is None else options[raw]
            else:
                entry["value"] = raw
            assert raw is not None or block.get("optional"), f"the modal requires {element['action_id']}"
            values.setdefault(name, {})[element["action_id"]] = entry
        assert not given, f"the modal has no input {sorted(given)}"
        return values

    def _submitted(self, view_id: str, payload: Json) -> None:
        action = payload.get("response_action")
        if action == "errors":
            self.views[view_id]["errors"] = payload["errors"]
        elif action in ("update", "push"):
            try:
                check_view(payload["view"])
            except RefusedError as refusal:
                self.views[view_id]["errors"] = refusal.reply
                return
            name = view_id if action == "update" else f"V{self.number():05d}"
            self.views[name] = {**self.views[view_id], **payload["view"], "id": name, "errors": {}}
        elif action == "clear":
            owner = self.views[view_id]["for_user"]
            self.views = {key: view for key, view in self.views.items() if view["for_user"] != owner}
        else:
            self.views.pop(view_id, None)
