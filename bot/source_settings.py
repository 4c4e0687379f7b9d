"""The `[[sources]]` tables of the settings, one class a kind, each of which builds its source.

A new kind is one file in `knowledge/sources/`, one class here, and its name in `AnySource` and `KINDS`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from bot.schedule import parse_schedule
from knowledge.documents import Source
from knowledge.sources.selection import EXCLUDED_BY_DEFAULT

if TYPE_CHECKING:
    from knowledge.sources.conversations import Chat

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]*$"
PERSON_PATTERN = r"^(user|group):[\w.-]+$"
VARIABLE_PATTERN = r"^[A-Z][A-Z0-9_]*$"


class Table(BaseModel):
    """A table of the settings: frozen, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _readable_schedule(text: str) -> str:
    parse_schedule(text)
    return text


ScheduleText = Annotated[str, AfterValidator(_readable_schedule)]


class SourceTable(Table):
    """What every kind of source can be told; `schedule` is what `bot.schedule` reads.

    `expert` is the person or group to ask about it.
    """

    name: str = Field(pattern=NAME_PATTERN)
    audience: tuple[str, ...] = ("everyone",)
    expert: str | None = Field(default=None, pattern=PERSON_PATTERN)
    include: tuple[str, ...] = ("**/*",)
    exclude: tuple[str, ...] = ()
    max_bytes: int = Field(default=50_000_000, gt=0)
    schedule: ScheduleText = "1h"


class FolderSettings(SourceTable):
    """A folder with its subfolders; `watch` follows changes at once, by "poll" also on network mounts."""

    kind: Literal["folder"]
    path: Path
    base_url: str | None = None
    watch: bool | Literal["poll"] = True

    def build(self, cache: Path) -> Source:
        """Make the source; `cache` is not needed."""
        from knowledge.sources.folder import FolderSource

        return FolderSource(
            name=self.name,
            path=self.path,
            audience=frozenset(self.audience),
            include=self.include,
            exclude=EXCLUDED_BY_DEFAULT + self.exclude,
            max_bytes=self.max_bytes,
            base_url=self.base_url,
        )


class GitSettings(SourceTable):
    """A branch of a git repository, at a URL or a local path."""

    kind: Literal["git"]
    url: str
    branch: str | None = None
    web_url: str | None = None
    schedule: ScheduleText = "15m"

    def build(self, cache: Path) -> Source:
        """Make the source, which keeps its clone in `cache`."""
        from knowledge.sources.git import GitSource

        return GitSource(
            name=self.name,
            url=self.url,
            branch=self.branch,
            cache_folder=cache,
            audience=frozenset(self.audience),
            include=self.include,
            exclude=EXCLUDED_BY_DEFAULT + self.exclude,
            max_bytes=self.max_bytes,
            web_url=self.web_url,
        )


class WebsiteSettings(SourceTable):
    """The pages below a URL: those of its sitemap, or those a bounded crawl finds."""

    kind: Literal["website"]
    url: str
    max_pages: int = Field(default=2_000, gt=0)
    max_depth: int = Field(default=10, ge=0)
    max_bytes: int = Field(default=20_000_000, gt=0)
    allow_private: bool = False
    delay_seconds: float = Field(default=0.5, ge=0)
    schedule: ScheduleText = "6h"

    def build(self, cache: Path) -> Source:
        """Make the source, which remembers in `cache` what it has seen of each page."""
        from knowledge.sources.politeness import Timing
        from knowledge.sources.website import WebsiteSource

        return WebsiteSource(
            name=self.name,
            start_url=self.url,
            audience=frozenset(self.audience),
            cache_folder=cache,
            include=self.include,
            exclude=self.exclude,
            max_pages=self.max_pages,
            max_depth=self.max_depth,
            max_bytes=self.max_bytes,
            allow_private=self.allow_private,
            timing=Timing(delay_seconds=self.delay_seconds),
        )


class FeedSettings(SourceTable):
    """The entries of an RSS or Atom feed; those that fall off it are kept."""

    kind: Literal["feed"]
    url: str
    max_entries: int = Field(default=1_000, gt=0)
    max_bytes: int = Field(default=20_000_000, gt=0)
    allow_private: bool = False
    schedule: ScheduleText = "30m"

    def build(self, cache: Path) -> Source:
        """Make the source, which keeps in `cache` what the feed has shown."""
        from knowledge.sources.feed import FeedSource

        return FeedSource(
            name=self.name,
            url=self.url,
            audience=frozenset(self.audience),
            cache_folder=cache,
            max_entries=self.max_entries,
            max_bytes=self.max_bytes,
            allow_private=self.allow_private,
        )


class ObjectsSettings(SourceTable):
    """The objects below any fsspec URL; credentials come from the environment."""

    kind: Literal["objects"]
    url: str
    options: dict[str, str] = Field(default_factory=dict)

    def build(self, cache: Path) -> Source:
        """Make the source; `cache` is not needed."""
        from knowledge.sources.objects import ObjectsSource

        return ObjectsSource(
            name=self.name,
            url=self.url,
            audience=frozenset(self.audience),
            include=self.include,
            exclude=EXCLUDED_BY_DEFAULT + self.exclude,
            max_bytes=self.max_bytes,
            options=self.options,
        )


class ChatTable(SourceTable):
    """What a chat can be told; `token_variable` names the environment variable that holds the token."""

    token_variable: str
    days: int = Field(default=365, gt=0)
    lookback_days: float = Field(default=7.0, ge=0)
    full_hours: float = Field(default=24.0, ge=0)
    allow_private_channels: bool = False
    schedule: ScheduleText = "15m"

    @model_validator(mode="after")
    def _names_a_variable(self) -> Self:
        # Checked here, where what was given is not repeated: it may be the token itself.
        if not re.fullmatch(VARIABLE_PATTERN, self.token_variable):
            raise ValueError("'token_variable' names an environment variable, as in API_TOKEN")
        return self

    def source_of(self, chat: Chat, cache: Path) -> Source:
        """Make the source that reads a chat, which remembers its history in `cache`."""
        from knowledge.sources.conversation_source import ConversationSource, HistoryLimits

        return ConversationSource(
            name=self.name,
            audience=frozenset(self.audience),
            chat=chat,
            memory_file=cache / "history.sqlite3",
            limits=HistoryLimits(self.days, self.lookback_days, self.full_hours),
            max_bytes=self.max_bytes,
            allow_private_channels=self.allow_private_channels,
        )


class SlackSettings(ChatTable):
    """Channels of a Slack workspace, by name or id."""

    kind: Literal["slack"]
    channels: tuple[str, ...] = Field(min_length=1)
    token_variable: str = "SLACK_BOT_TOKEN"  # noqa: S105

    def build(self, cache: Path) -> Source:
        """Make the source; $SLACK_API_URL is the address of a compatible server."""
        from knowledge.sources.slack import SlackChat

        chat = SlackChat(
            source=self.name,
            token=os.environ.get(self.token_variable, ""),
            channels=self.channels,
            people_file=cache / "people.sqlite3",
            token_name=self.token_variable,
            api_url=os.environ.get("SLACK_API_URL") or "https://slack.com/api/",
        )
        return self.source_of(chat, cache)


class DiscordSettings(ChatTable):
    """Channels, forums and threads of a Discord server; without `channels`, all that everyone may read."""

    kind: Literal["discord"]
    guild: str = Field(pattern=r"^[0-9]{1,20}$")
    channels: tuple[str, ...] = ()
    token_variable: str = "DISCORD_TOKEN"  # noqa: S105

    def build(self, cache: Path) -> Source:
        """Make the source; $DISCORD_API_URL is the address of a compatible server."""
        from knowledge.sources.discord import DiscordChat

        chat = DiscordChat(
            source=self.name,
            token=os.environ.get(self.token_variable, ""),
            guild=self.guild,
            channels=self.channels,
            exclude=self.exclude,
            token_name=self.token_variable,
            api_url=os.environ.get("DISCORD_API_URL") or "https://discord.com/api/v10",
        )
        return self.source_of(chat, cache)


class McpSettings(SourceTable):
    """The resources of a Model Context Protocol server: a program on this machine, or a URL.

    Secrets are named, not given: the program gets the environment variables in `variables`, the URL the token
    in `token_variable`.
    """

    kind: Literal["mcp"]
    command: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    url: str | None = None
    token_variable: str | None = None
    allow_private: bool = False

    @model_validator(mode="after")
    def _is_one_server(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("give either 'command' (a program and its arguments) or 'url'")
        # Checked here, where what was given is not repeated: it may be the secret itself.
        if not all(re.fullmatch(VARIABLE_PATTERN, name) for name in self._names()):
            raise ValueError("'variables' and 'token_variable' name environment variables, as in API_KEY")
        return self

    def build(self, cache: Path) -> Source:
        """Make the source; `cache` is not needed."""
        from knowledge.sources.mcp import McpSource

        found = {name: os.environ.get(name, "") for name in self._names()}
        if self.url:
            from knowledge.sources.mcp_http import http_connection

            token = found[self.token_variable] if self.token_variable else None
            connection = http_connection(self.url, token, self.max_bytes, self.allow_private)
        else:
            from knowledge.sources.mcp_stdio import stdio_connection

            connection = stdio_connection(self.command, found, self.max_bytes)
        return McpSource(
            name=self.name,
            audience=frozenset(self.audience),
            connection=connection,
            include=self.include,
            exclude=self.exclude,
            max_bytes=self.max_bytes,
            lacking=tuple(name for name in found if not found[name]),
        )

    def _names(self) -> tuple[str, ...]:
        return self.variables if self.token_variable is None else (self.token_variable,)


AnySource = Annotated[
    FolderSettings
    | GitSettings
    | WebsiteSettings
    | FeedSettings
    | ObjectsSettings
    | McpSettings
    | SlackSettings
    | DiscordSettings,
    Field(discriminator="kind"),
]
KINDS: dict[str, type[SourceTable]] = {
    "folder": FolderSettings,
    "git": GitSettings,
    "website": WebsiteSettings,
    "feed": FeedSettings,
    "objects": ObjectsSettings,
    "mcp": McpSettings,
    "slack": SlackSettings,
    "discord": DiscordSettings,
}
