"""What a person sees of a message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .rules import BUTTON, COMPONENTS_V2, EPHEMERAL, LOADING, SELECTS, SUPPRESS_EMBEDS, TEXT, every

Json = dict[str, Any]

LINK = re.compile(r"https?://[^\s<>()\"'\]]+")
UNFURLED = re.compile(r"(?<!<)https?://[^\s<>()\"'\]]+")


@dataclass(frozen=True, slots=True)
class Shown:
    """A message on the screen.

    `words` is all that can be read but the buttons; `loading` is "the bot is thinking". `pings` are whom it
    notified when it was posted: user and role ids, `everyone` and `here`. `reply_to` is a message's id.
    """

    id: str
    channel: str
    user: str
    content: str
    embeds: tuple[Json, ...] = ()
    components: tuple[Json, ...] = ()
    attachments: tuple[Json, ...] = ()
    flags: int = 0
    edited: bool = False
    reply_to: str = ""
    pings: tuple[str, ...] = ()
    reactions: Mapping[str, list[str]] = field(default_factory=dict)
    thread: str = ""
    allowed_mentions: Json | None = None

    @property
    def ephemeral(self) -> bool:
        """Whether one person alone sees it."""
        return bool(self.flags & EPHEMERAL)

    @property
    def loading(self) -> bool:
        """Whether it says that the bot is thinking, and nothing else yet."""
        return bool(self.flags & LOADING)

    @property
    def words(self) -> str:
        """All that a person reads: the content, the text displays, the embeds."""
        return "\n".join(
            part for part in [self.content, *_texts(self.components), *_embedded(self.embeds)] if part
        )

    @property
    def text(self) -> str:
        """The content and the text displays, without embeds."""
        return "\n".join(part for part in [self.content, *_texts(self.components)] if part)

    @property
    def buttons(self) -> list[Json]:
        """The buttons, links among them, in order; each with `label` and `custom_id` or `url`."""
        return [each for each in every(self.components) if each["type"] == BUTTON]

    @property
    def labels(self) -> list[str]:
        """What the buttons say."""
        return [each.get("label") or each.get("emoji", {}).get("name", "") for each in self.buttons]

    @property
    def selects(self) -> list[Json]:
        """The menus."""
        return [each for each in every(self.components) if each["type"] in SELECTS]

    @property
    def links(self) -> list[str]:
        """Every web address that can be read or followed."""
        found = LINK.findall(self.words) + [each["url"] for each in self.buttons if each.get("url")]
        return found + [embed["url"] for embed in self.embeds if embed.get("url")]

    @property
    def unfurled(self) -> list[str]:
        """The addresses that Discord shows a preview of."""
        return [] if self.flags & (SUPPRESS_EMBEDS | COMPONENTS_V2) else UNFURLED.findall(self.content)

    def find(self, wanted: str) -> Json:
        """The button or menu with this custom id or label.

        Raises:
            AssertionError: when the message shows no such thing, or it is disabled.
        """
        for each in [*self.buttons, *self.selects]:
            if wanted in (each.get("custom_id"), each.get("label"), each.get("placeholder")):
                assert not each.get("disabled"), f"{wanted!r} is disabled"
                return each
        raise AssertionError(
            f"no {wanted!r} among {self.labels} and {[each['custom_id'] for each in self.selects]}"
        )


def shown(
    message: Json, reactions: Mapping[str, list[str]], pings: tuple[str, ...], mentions: Json | None
) -> Shown:
    """A message as it is now."""
    return Shown(
        id=message["id"],
        channel=message["channel_id"],
        user=message["author"]["id"],
        content=message["content"],
        embeds=tuple(message["embeds"]),
        components=tuple(message["components"]),
        attachments=tuple(message["attachments"]),
        flags=message["flags"],
        edited=message["edited_timestamp"] is not None,
        reply_to=(message.get("message_reference") or {}).get("message_id") or "",
        pings=pings,
        reactions=reactions,
        thread=message.get("thread", {}).get("id", ""),
        allowed_mentions=mentions,
    )


def _texts(components: tuple[Json, ...]) -> Iterator[str]:
    for each in every(components):
        if each["type"] == TEXT:
            yield each["content"]


def _embedded(embeds: tuple[Json, ...]) -> Iterator[str]:
    for embed in embeds:
        yield embed.get("author", {}).get("name", "")
        yield embed.get("title", "")
        yield embed.get("description", "")
        for each in embed.get("fields", ()):
            yield f"{each['name']}\n{each['value']}"
        yield embed.get("footer", {}).get("text", "")
