"""The tables of `lorebot.toml` on the platforms where people ask."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bot.source_settings import Table
from connectors.conversation import PUBLIC
from connectors.ports import Mode


def _some_people(admins: tuple[str, ...]) -> tuple[str, ...]:
    if PUBLIC in admins:
        raise ValueError(f"'{PUBLIC}' is anybody at all, guests included; name users or groups")
    return admins


class SlackBotSettings(Table):
    """`[slack]`: how the bot behaves in Slack. `channels` is the mode of channels where none was chosen.

    `audiences` holds, for a private channel, what every reader of it holds; Slack is then not asked.
    `reaction` is the emoji that asks for an answer to a message, "" for none. The address and the port are
    those of the HTTP mode, `public_url` where Slack reaches it. Where workspaces install the app themselves
    (OAuth), `workspaces` are the ids of the team's own: people of all others read public sources alone.
    """

    admins: Annotated[tuple[str, ...], AfterValidator(_some_people)] = ("workspace-admins",)
    reaction: str = Field(default="question", pattern=r"^[a-z0-9_+'-]*$")
    channels: Mode = "mention"
    audiences: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    workspaces: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = Field(default=3000, ge=0, le=65535)
    public_url: str | None = Field(default=None, pattern=r"^https?://")


class DiscordBotSettings(Table):
    """`[discord]`: how the bot behaves in Discord. `channels` is the mode of channels where none was chosen.

    `guilds` are the ids of the team's servers, those that the bot is in when there are none. `forums` are the
    ids or names of the forum channels whose new posts are answered of themselves. Without `message_content`
    the bot reads messages that mention it, direct messages and commands alone.
    """

    admins: Annotated[tuple[str, ...], AfterValidator(_some_people)] = ("guild-admins",)
    guilds: tuple[str, ...] = ()
    channels: Mode = "mention"
    forums: tuple[str, ...] = ()
    replies: Literal["thread", "reply"] = "thread"
    message_content: bool = True
