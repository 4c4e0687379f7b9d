"""Commands, buttons, menus and modals as people use them, and what becomes of each interaction."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from .commands import AUTOCOMPLETE, COMMAND, COMPONENT, MODAL, Commands
from .rules import BUTTON, LABEL, ROW, TEXT, TEXT_INPUT
from .world import KINDS, Json

DEFERRED = (5, 6)


@dataclass(slots=True)
class Interaction:
    """One use of the app. `response` is the type of the app's callback, after `seconds`.

    `original` is the message that the callback made or changes, `followups` are those after it, `modal` is
    what was opened and `choices` what autocomplete offered.
    """

    id: str
    kind: int
    user: str
    channel: str
    body: Json
    born: float
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    at: float = field(default_factory=time.monotonic)
    response: int | None = None
    seconds: float | None = None
    source: str = ""
    original: str = ""
    followups: list[str] = field(default_factory=list)
    modal: Json | None = None
    choices: list[Json] | None = None
    loading: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def answered(self, seconds: float = 30.0) -> Interaction:
        """Wait for the app's first response.

        Raises:
            AssertionError: when there is none.
        """
        try:
            await asyncio.wait_for(self.done.wait(), seconds)
        except TimeoutError:
            raise AssertionError(f"no response to the interaction within {seconds:g} s") from None
        return self


class Interactions(Commands):
    """The world whose people use commands, buttons, menus and modals.

    `context_of` says of what kind a channel is told to be, in the place of what it is (2: where people talk
    among themselves).
    """

    def __init__(self) -> None:
        super().__init__()
        self.interactions: dict[str, Interaction] = {}
        self.context_of: dict[str, int] = {}
        self.respond_seconds = 3.0
        self.token_seconds = 900.0

    @property
    def unanswered(self) -> list[Interaction]:
        """The interactions without a response; after 3 seconds a person sees that the app did not respond."""
        return [each for each in self.interactions.values() if each.response is None]

    def expired(self, interaction: Interaction) -> bool:
        """Whether its token is of no more use: after 15 minutes, or after 3 seconds without a response."""
        life = self.respond_seconds if interaction.response is None else self.token_seconds
        return self.now() - interaction.born > life

    async def slash(self, user: str, channel: str, command: str, **options: Any) -> Interaction:
        """Use a slash command such as `ask` or `lorebot adapter use`; a file option takes a file's id.

        Raises:
            AssertionError: when the person is not offered such a command or option there.
        """
        return await self.raise_interaction(
            COMMAND, user, channel, self.command_data(user, channel, command, options)
        )

    async def autocomplete(
        self, user: str, channel: str, command: str, option: str, typed: str = "", **others: Any
    ) -> Interaction:
        """Type in an option of a command; `choices` of the answered interaction are what is offered."""
        data = self.command_data(user, channel, command, {**others, option: typed}, focused=option)
        return await self.raise_interaction(AUTOCOMPLETE, user, channel, data)

    async def context_menu(self, user: str, channel: str, name: str, message_id: str) -> Interaction:
        """Use a command of a message's menu."""
        data = self.menu_data(user, channel, name, message_id)
        return await self.raise_interaction(COMMAND, user, channel, data)

    async def press(
        self, user: str, channel: str, message_id: str, wanted: str, values: list[str] | None = None
    ) -> Interaction:
        """Press a button, or choose `values` from a menu, found by its custom id or its label.

        Raises:
            AssertionError: when the person does not see it.
        """
        seen = next((each for each in self.visible(channel, user=user) if each.id == message_id), None)
        assert seen, f"{user} does not see message {message_id}"
        found = seen.find(wanted)
        assert "custom_id" in found, f"{wanted!r} is a link"
        data = {"custom_id": found["custom_id"], "component_type": found["type"], "id": found.get("id", 0)}
        if found["type"] != BUTTON:
            data["values"] = values or []
        return await self.raise_interaction(COMPONENT, user, channel, data, source=message_id)

    async def submit_modal(self, opened: Interaction, values: dict[str, Any]) -> Interaction:
        """Send the modal that an interaction opened; `values` by custom id or label, the rest as it is."""
        assert opened.modal, "no modal was opened"
        data = {
            "custom_id": opened.modal["custom_id"],
            "components": _filled(opened.modal["components"], values),
        }
        source = opened.source or opened.original
        return await self.raise_interaction(MODAL, opened.user, opened.channel, data, source=source)

    async def raise_interaction(
        self, kind: int, user: str, channel: str, data: Json, *, source: str = ""
    ) -> Interaction:
        """Tell the app of any interaction; `source` is the message it comes from."""
        found = Interaction(self.new_id(), kind, user, channel, data, self.now(), source=source)
        self.interactions[found.id] = found
        about = self.channels[channel]
        guild = about.get("guild_id")
        sizes = {"attachment_size_limit": 10 * 2**20, "entitlements": [], "locale": "en-US", "version": 1}
        body: Json = {
            **{"id": found.id, "application_id": self.application_id, "type": kind, "token": found.token},
            **{"data": data, "channel_id": channel, "channel": self.channel_json(channel), **sizes},
            **{
                "app_permissions": str(self.permissions(self.bot, channel)),
                "context": self.context_of.get(channel, 0 if guild else 1),
            },
            "authorizing_integration_owners": {"0": guild or "0"},
        }
        if guild:
            body |= {"guild_id": guild, "guild": {"id": guild, "locale": "en-US", "features": []}}
            body |= {"member": self.member(guild, user, channel), "guild_locale": "en-US"}
            body["channel"] = {**body["channel"], "permissions": str(self.permissions(user, channel))}
        else:
            body["user"] = self.users[user]
        if source:
            body["message"] = self.messages[channel][source]
        self.tell("INTERACTION_CREATE", body)
        await asyncio.sleep(0)
        return found

    def response_times(self) -> list[float]:
        """The seconds to the first response of every interaction that got one, in order of size."""
        return sorted(each.seconds for each in self.interactions.values() if each.seconds is not None)

    def interaction_messages(self, interaction: Interaction) -> list[str]:
        """The ids of the messages that it brought, the original first."""
        return [each for each in [interaction.original, *interaction.followups] if each]

    def is_dm(self, channel: str) -> bool:
        """Whether a channel is a direct conversation."""
        return bool(self.channels[channel]["type"] == KINDS["dm"])


def _filled(components: list[Json], values: dict[str, Any]) -> list[Json]:
    found = []
    for each in components:
        if each["type"] == TEXT:
            found.append({"type": TEXT, "id": each.get("id", 0)})
        if each["type"] == ROW:
            inside = each["components"][0]
            found.append({"type": ROW, "components": [_field(inside, inside.get("label", ""), values)]})
        if each["type"] == LABEL:
            inner = _field(each["component"], each["label"], values)
            found.append({"type": LABEL, "id": each.get("id", 0), "component": inner})
    return found


def _field(component: Json, label: str, values: dict[str, Any]) -> Json:
    name = component["custom_id"]
    given = values.get(name, values.get(label))
    told = {"type": component["type"], "custom_id": name, "id": component.get("id", 0)}
    if component["type"] == TEXT_INPUT:
        text = component.get("value", "") if given is None else given
        required = component.get("required", True)
        assert text or not required, f"{label or name!r} is required"
        assert len(text) <= component.get("max_length", 4_000), f"{label or name!r} is too long"
        return {**told, "value": text}
    return {**told, "values": given or []}
