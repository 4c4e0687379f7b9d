"""What all listeners share: how a thing that Slack delivered is taken, done, and finished."""

from __future__ import annotations

import asyncio
import secrets
import traceback
from collections.abc import Coroutine, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from connectors.asking import Questions, failure_line
from connectors.commands import Command, written
from connectors.log import Log
from connectors.ports import Delivery, Ports
from connectors.slack.audience import Audience
from connectors.slack.blocks import Message
from connectors.slack.complaints import explain
from connectors.slack.files import Files
from connectors.slack.notices import refused
from connectors.slack.streaming import CALL_ERRORS
from connectors.slack.workspace import Workspace, Workspaces

PLATFORM = "slack"

# The bot cannot write where it is no member: the person gets the answer in a direct message.
_NOT_THERE = frozenset(
    {"not_in_channel", "channel_not_found", "user_not_in_channel", "is_archived", "restricted_action"}
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who is to be told something, and where."""

    team: str
    enterprise: str | None
    channel: str
    user: str
    thread: str | None = None


def interrupted(who: Ticket, command: Command) -> dict[str, Any]:
    """The payload of a command: whom to tell that it was cut off, when the process has died."""
    return {"command": written(command), "ticket": asdict(who)}


class NotInstalledError(Exception):
    """The app is not installed in a workspace (any more)."""


class Desk:
    """The connector's parts, and the tasks that are on."""

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
        self._tasks: set[asyncio.Task[None]] = set()
        self._runs: dict[str, tuple[str, asyncio.Task[None]]] = {}

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
        task = asyncio.create_task(self._watched(work, ticket, key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def begin_run(self, run: str, work: Coroutine[Any, Any, None], ticket: Ticket) -> None:
        """The same for something that a person may cancel by the name of the run."""
        task = asyncio.create_task(self._watched(work, ticket, None))
        self._tasks.add(task)
        self._runs[run] = (ticket.user, task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._runs.pop(run, None)

        task.add_done_callback(ended)

    def run_of(self, run: str) -> str | None:
        """Who started a run that is on in this process."""
        return self._runs[run][0] if run in self._runs else None

    def cancel_run(self, run: str) -> None:
        """Stop a run."""
        if run in self._runs:
            self._runs[run][1].cancel()

    async def whisper(self, ticket: Ticket, message: Message) -> None:
        """Show a message to one person: in the channel, else in a direct message."""
        workspace = await self.workspace(ticket.team, ticket.enterprise)
        client, content = workspace.client, message.content()
        try:
            await client.chat_postEphemeral(
                channel=ticket.channel, user=ticket.user, thread_ts=ticket.thread, **content
            )
        except SlackApiError as error:
            if error.response.get("error") not in _NOT_THERE:
                raise
            await self.tell_alone(client, ticket.user, message)

    async def tell_alone(self, client: AsyncWebClient, user: str, message: Message) -> tuple[str, str]:
        """Post into the direct messages with a person; the channel and the timestamp."""
        opened = await client.conversations_open(users=user)
        channel = str(opened["channel"]["id"])
        said = await client.chat_postMessage(channel=channel, **message.arguments())
        return channel, str(said["ts"])

    async def close(self, seconds: float) -> None:
        """End what is on: questions within so many seconds, all else at once."""
        await self.questions.close(seconds)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watched(self, work: Coroutine[Any, Any, None], ticket: Ticket, key: str | None) -> None:
        try:
            await work
        except Exception as error:
            reference = secrets.token_hex(4)
            self.log.error(
                "slack work failed", reference=reference, error=explain(error), trace=traceback.format_exc()
            )
            await self._say_failed(ticket, reference)
            if key is not None:
                await self.questions.finished(key)

    async def _say_failed(self, ticket: Ticket, reference: str) -> None:
        try:
            await self.whisper(ticket, refused(failure_line(reference)))
        except (*CALL_ERRORS, NotInstalledError) as error:
            self.log.error("person not told", reference=reference, error=explain(error))
