"""A workspace as the bot works in it: its Web API client, and who the bot is there."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Protocol

from aiohttp import ClientConnectorError, ClientSession, ClientTimeout
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
from slack_sdk.web.async_client import AsyncWebClient

from connectors.log import Log
from connectors.slack.complaints import is_shut_out

API_URL = "https://slack.com/api/"
_SECONDS = 20
_RATE_LIMITED_TIMES = 12
_FAILED_TIMES = 3

# What may be done twice without anybody seeing it twice.
_REPEATABLE = frozenset(
    {
        "apps.connections.open",
        "assistant.threads.setSuggestedPrompts",
        "auth.test",
        "chat.delete",
        "chat.update",
        "views.publish",
    }
)
_SECRET = re.compile(r"xox[a-z]-[\w-]+|xapp-[\w-]+|(?<=ticket=)[^&\s'\"]+")


@dataclass(frozen=True, slots=True)
class Workspace:
    """One workspace in which the app is installed."""

    client: AsyncWebClient
    team: str
    bot_user: str
    bot_id: str


class Workspaces(Protocol):
    """Where the app is installed."""

    async def find(self, team: str, enterprise: str | None) -> Workspace | None:
        """The workspace; None when the app is not installed there. Raises `SlackApiError`."""
        ...


async def may_write(workspace: Workspace, channel: str) -> bool:
    """Whether the bot is in a channel or a conversation. Raises what Slack raises."""
    try:
        said = await workspace.client.conversations_info(channel=channel)
    except SlackApiError as error:
        if is_shut_out(error):
            return False
        raise
    # A direct conversation that the bot is shown is its own, and has no `is_member`.
    return said["channel"].get("is_member") is not False or bool(said["channel"].get("is_im"))


class OneWorkspace:
    """The workspace of one bot token."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._found: Workspace | None = None

    async def find(self, team: str, enterprise: str | None) -> Workspace:
        """The workspace, whichever team an event names: a token is good for one."""
        if self._found is None:
            said = await self._client.auth_test()
            self._found = Workspace(
                self._client, str(said["team_id"]), str(said["user_id"]), str(said.get("bot_id") or "")
            )
        return self._found


def web_client(token: str | None, api_url: str, session: ClientSession, log: Log) -> AsyncWebClient:
    """A client that waits rate limits out, and tries again what failed and may be done again."""
    return AsyncWebClient(
        token=token,
        base_url=api_url,
        session=session,
        logger=forwarding_logger(log),
        retry_handlers=[
            AsyncRateLimitErrorRetryHandler(max_retry_count=_RATE_LIMITED_TIMES),
            RetryConnection(max_retry_count=_FAILED_TIMES),
            RetryServerError(max_retry_count=_FAILED_TIMES),
        ],
    )


def open_session() -> ClientSession:
    """The connections that all calls share."""
    return ClientSession(timeout=ClientTimeout(total=_SECONDS))


class RetryConnection(AsyncConnectionErrorRetryHandler):
    """Retries a call that was never sent, or that may be made twice."""

    async def _can_retry_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if isinstance(error, ClientConnectorError):
            return True
        failed = await super()._can_retry_async(state=state, request=request, response=response, error=error)
        return failed and _is_repeatable(request)


class RetryServerError(AsyncServerErrorRetryHandler):
    """Retries a call that the server refused for now, or that failed there and may be made twice."""

    async def _can_retry_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if response is None or response.status_code < 500:
            return False
        return response.status_code == 503 or _is_repeatable(request)


def _is_repeatable(request: HttpRequest) -> bool:
    return request.method == "GET" or request.url.rsplit("/", 1)[-1] in _REPEATABLE


def forwarding_logger(log: Log, level: int = logging.WARNING) -> logging.Logger:
    """A standard logger for the Slack libraries that passes on what has this level, without tokens."""
    logger = logging.Logger("slack", level)
    logger.addHandler(_Forwarding(log))
    return logger


class _Forwarding(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        note = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        note("slack client", said=_SECRET.sub("…", record.getMessage()))
