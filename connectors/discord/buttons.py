"""What can be pressed under a message. A button knows by its name what it is about, also after a restart.

https://docs.discord.com/developers/components/reference#button and
https://discordpy.readthedocs.io/en/stable/interactions/api.html#dynamic-items
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Protocol, Self, cast

from discord import ButtonStyle, Client, Interaction
from discord.ui import Button, DynamicItem, Item, TextDisplay

from connectors import wording
from connectors.conversation import Answer
from connectors.discord.names import HELPFUL, custom_id, template
from connectors.discord.notices import can_call

_UP, _DOWN, _PASSAGES, _PERSON, _SHARE = HELPFUL, "down", "passages", "person", "share"
_CANCEL, _CONFIRM = "cancel", "confirm"
_COMMAND = re.compile(r"```\n(?P<command>.+)\n```", re.DOTALL)
_LABEL = 80

Pressed = Interaction[Any]


class Presses(Protocol):
    """What the buttons do. Each method answers the interaction, and what it raises is only logged."""

    async def judged(self, interaction: Pressed, answer_id: str, helpful: bool) -> None:
        """Whether an answer helped."""
        ...

    async def passages(self, interaction: Pressed, answer_id: str) -> None:
        """Show what was read for an answer."""
        ...

    async def person(self, interaction: Pressed, answer_id: str) -> None:
        """Call the expert."""
        ...

    async def share(self, interaction: Pressed, answer_id: str) -> None:
        """Show an answer to all that one person alone saw."""
        ...

    async def cancel(self, interaction: Pressed, run: str) -> None:
        """Stop a command that runs."""
        ...

    async def confirmed(self, interaction: Pressed, key: str, command: str) -> None:
        """Do a command, as `connectors.commands.written` writes it, which is meant."""
        ...


class PressedClient(Protocol):
    """The client that receives what is pressed."""

    presses: Presses


class _Press(DynamicItem[Button[Any]], template=r"(?!)"):
    """A button about `of`."""

    kind: ClassVar[str]
    label: ClassVar[str]
    style: ClassVar[ButtonStyle] = ButtonStyle.secondary

    def __init__(self, of: str, label: str = "") -> None:
        name = custom_id(self.kind, of)
        super().__init__(Button(label=(label or self.label)[:_LABEL], style=self.style, custom_id=name))
        self.of = of

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction[Client], item: Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        return cls(match["of"])


class HelpfulButton(_Press, template=template(_UP)):
    """The answer helped."""

    kind, label = _UP, wording.HELPFUL

    async def callback(self, interaction: Pressed) -> None:
        """Pass it on."""
        await _presses(interaction).judged(interaction, self.of, True)


class UnhelpfulButton(_Press, template=template(_DOWN)):
    """The answer did not help."""

    kind, label = _DOWN, wording.NOT_HELPFUL

    async def callback(self, interaction: Pressed) -> None:
        """Pass it on."""
        await _presses(interaction).judged(interaction, self.of, False)


class PassagesButton(_Press, template=template(_PASSAGES)):
    """Show what was read for an answer."""

    kind, label = _PASSAGES, wording.SHOW_PASSAGES

    async def callback(self, interaction: Pressed) -> None:
        """Pass it on."""
        await _presses(interaction).passages(interaction, self.of)


class PersonButton(_Press, template=template(_PERSON)):
    """Call a person who knows."""

    kind, label = _PERSON, wording.ASK_PERSON

    async def callback(self, interaction: Pressed) -> None:
        """Pass it on."""
        await _presses(interaction).person(interaction, self.of)


class ShareButton(_Press, template=template(_SHARE)):
    """Show an answer to all that one person alone sees."""

    kind, label, style = _SHARE, wording.SHARE, ButtonStyle.primary

    async def callback(self, interaction: Pressed) -> None:
        """Pass it on."""
        await _presses(interaction).share(interaction, self.of)


class CancelButton(_Press, template=template(_CANCEL)):
    """Stop the command whose run this is."""

    kind, label, style = _CANCEL, wording.CANCEL, ButtonStyle.danger

    async def callback(self, interaction: Pressed) -> None:
        """Pass it on."""
        await _presses(interaction).cancel(interaction, self.of)


class ConfirmButton(_Press, template=template(_CONFIRM)):
    """A command is meant; it stands in the same message, as `command_text` writes it."""

    kind, label, style = _CONFIRM, "Confirm", ButtonStyle.danger

    async def callback(self, interaction: Pressed) -> None:
        """Pass it on, unless the message shows no command."""
        shown = self.view.walk_children() if self.view else ()
        contents = (item.content for item in shown if isinstance(item, TextDisplay))
        command = next(filter(None, map(_COMMAND.fullmatch, contents)), None)
        if command is not None:
            await _presses(interaction).confirmed(interaction, self.of, command["command"])


DYNAMIC_ITEMS: tuple[type[_Press], ...] = (
    HelpfulButton,
    UnhelpfulButton,
    PassagesButton,
    PersonButton,
    ShareButton,
    CancelButton,
    ConfirmButton,
)


def answer_buttons(answer: Answer, expert: str | None) -> tuple[_Press, ...]:
    """Buttons beside the thumbs: what was read, if anything, and whom to ask, if Discord knows the expert."""
    made: list[_Press] = [PassagesButton(answer.id)] if answer.read else []
    return (*made, *([PersonButton(answer.id)] if expert and can_call(expert) else []))


def command_text(command: str) -> str:
    """A command as it is shown to be confirmed, and read again when it is."""
    return f"```\n{command}\n```"


def _presses(interaction: Pressed) -> Presses:
    return cast(PressedClient, interaction.client).presses
