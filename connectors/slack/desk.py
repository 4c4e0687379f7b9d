"""What all listeners share: how a thing that Slack delivered is taken, done, and finished."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from connectors.asking import Questions
from connectors.background import Background
from connectors.log import Log
from connectors.ports import Delivery, Ports
from connectors.slack.audience import Audience
from connectors.slack.blocks import Message
from connectors.slack.complaints import explain, is_shut_out
from connectors.slack.files import Files
from connectors.slack.notices import refused
from connectors.slack.workspace import Workspace, Workspaces

PLATFORM = "slack"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who is to be told something, and where."""

    team: str
    enterprise: str | None
    channel: str
    user: str
    thread: str | None = None


class NotInstalledError(Exception):
    """The app is not installed in a workspace (any more)."""


class Desk:
    """The connector's parts."""

    def __init__(
        self,
        ports: Ports,
        workspaces: Workspaces,
        audience: Audience,
        files: Files,
        questions: Questions,
        log: Log,
    ) -> None:
        self.ports = ports
        self.workspaces = workspaces
        self.audience = audience
        self.files = files
        self.questions = questions
        self.log = log
        self.background = Background(PLATFORM, questions, log, explain)

    async def workspace(self, team: str, enterprise: str | None) -> Workspace:
        """A workspace in which the app is installed. Raises `NotInstalledError`, and what Slack raises."""
        found = await self.workspaces.find(team, enterprise)
        if found is None:
            raise NotInstalledError(f"the app is not installed in the workspace {team}")
        return found

    async def take(self, key: str, payload: Mapping[str, Any]) -> bool:
        """Whether this process is to do it. What it raises keeps Slack from being told that it arrived."""
        return await self.ports.inbox.take(Delivery(key, PLATFORM, payload))

    def begin(self, work: Coroutine[Any, Any, None], ticket: Ticket, key: str | None = None) -> None:
        """Do something beside the acknowledgement, which finishes its delivery itself.

        If it fails, the log and the person of the ticket are told, and the delivery of `key` is finished.
        """
        self.background.begin(work, partial(self.say, ticket), key)

    async def say(self, ticket: Ticket, line: str) -> None:
        """Say one line to a person."""
        await self.whisper(ticket, refused(line))

    async def whisper(self, ticket: Ticket, message: Message) -> None:
        """Show a message to one person: in the channel, else in a direct message."""
        workspace = await self.workspace(ticket.team, ticket.enterprise)
        client, content = workspace.client, message.content()
        try:
            await client.chat_postEphemeral(
                channel=ticket.channel, user=ticket.user, thread_ts=ticket.thread, **content
            )
        except SlackApiError as error:
            if not is_shut_out(error):
                raise
            await self.tell_alone(client, ticket.user, message)

    async def tell_alone(self, client: AsyncWebClient, user: str, message: Message) -> tuple[str, str]:
        """Post into the direct messages with a person; the channel and the timestamp."""
        opened = await client.conversations_open(users=user)
        channel = str(opened["channel"]["id"])
        said = await client.chat_postMessage(channel=channel, **message.arguments())
        return channel, str(said["ts"])
