"""Runs the Slack app: over Socket Mode, where no public address is needed, or as an HTTP server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession, web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.errors import SlackApiError

from connectors.background import CLOSING_SECONDS, TAKE_UP_EVERY_SECONDS, take_up
from connectors.log import Log
from connectors.ports import Ports
from connectors.presence import Check, always
from connectors.slack.answering import Answering
from connectors.slack.app import SlackOptions, register
from connectors.slack.complaints import explain, is_fatal
from connectors.slack.desk import PLATFORM, Desk
from connectors.slack.manifest import EVENTS_PATH
from connectors.slack.streaming import CALL_ERRORS
from connectors.slack.workspace import OneWorkspace, forwarding_logger, open_session, web_client

if TYPE_CHECKING:
    from connectors.slack.oauth import OAuthClient

_CHECK_EVERY_SECONDS = 60.0


class SlackRefusedError(Exception):
    """Slack refuses the app's credentials; the message is one line that says how to mend it."""


@dataclass(frozen=True, slots=True)
class SlackService:
    """What every way of running needs; at the end, what has begun may take `closing_seconds`."""

    ports: Ports
    options: SlackOptions
    log: Log
    closing_seconds: float = CLOSING_SECONDS

    async def run_socket(self, bot_token: str, app_token: str, ping_seconds: float = 5.0) -> None:
        """Work over Socket Mode until cancelled (https://docs.slack.dev/apis/events-api/using-socket-mode).

        Raises `SlackRefusedError` when only a person can mend what is wrong.
        """
        async with open_session() as session:
            app, workspaces = self._one_workspace(bot_token, "", session)
            await self._greet(workspaces, app_token)
            desk, answering = register(app, self.ports, workspaces, self.options, session, self.log)
            handler = AsyncSocketModeHandler(
                app, app_token, logger=forwarding_logger(self.log), ping_interval=ping_seconds
            )
            async with self._working(desk, answering, handler.close_async, handler.client.is_connected):
                await handler.connect_async()  # type: ignore[no-untyped-call]
                await self._watch(workspaces, app_token, handler.client.is_connected)

    async def run_http(self, bot_token: str, signing_secret: str, host: str, port: int) -> None:
        """Work for one workspace as an HTTP server. Raises as `run_socket` does, and `OSError`."""
        async with open_session() as session:
            app, workspaces = self._one_workspace(bot_token, signing_secret, session)
            await self._greet(workspaces, None)
            desk, answering = register(app, self.ports, workspaces, self.options, session, self.log)
            async with (
                _served(app, host, port, self.log) as close,
                self._working(desk, answering, close, always),
            ):
                await self._watch(workspaces)

    async def run_oauth(
        self, credentials: OAuthClient, signing_secret: str, database_url: str, host: str, port: int
    ) -> None:
        """Work for all workspaces that install the app, as an HTTP server.

        Raises `OSError`, and `SlackRefusedError` when what they grant cannot be kept.

        Anybody may install an app that is distributed: the people of a workspace count as strangers unless
        `options.own` names it.
        """
        from connectors.slack.oauth import InstalledWorkspaces, oauth_app, open_store
        from connectors.slack.sealing import SealingError

        options, log = replace(self.options, own=self.options.own or ()), self.log
        if not options.own:
            log.warning("slack shows public sources alone: name your workspaces in [slack] workspaces")
        async with open_session() as session:
            try:
                stores = await asyncio.to_thread(open_store, credentials, database_url, log)
            except SealingError as error:
                raise SlackRefusedError(str(error)) from error
            app = oauth_app(credentials, signing_secret, stores, options.api_url, session, log)
            workspaces = InstalledWorkspaces(stores[0], options.api_url, session, log)
            desk, answering = register(app, self.ports, workspaces, options, session, log)
            async with (
                _served(app, host, port, log) as close,
                self._working(desk, answering, close, always),
            ):
                await asyncio.Event().wait()

    @asynccontextmanager
    async def _working(
        self, desk: Desk, answering: Answering, disconnect: Callable[[], Awaitable[None]], is_connected: Check
    ) -> AsyncIterator[None]:
        """Take up what other processes left, and at the end see what has begun through."""
        taking_up = asyncio.create_task(take_up(answering.take_up, TAKE_UP_EVERY_SECONDS, desk.log, explain))
        try:
            with self.ports.presence.attending(PLATFORM, is_connected):
                yield
        finally:
            taking_up.cancel()
            try:
                await disconnect()
            finally:
                await desk.background.close(self.closing_seconds)

    def _one_workspace(
        self, bot_token: str, signing_secret: str, session: ClientSession
    ) -> tuple[AsyncApp, OneWorkspace]:
        url, log = self.options.api_url, self.log
        workspaces = OneWorkspace(web_client(bot_token, url, session, log))

        async def authorize(context: Mapping[str, Any]) -> AuthorizeResult:
            found = await workspaces.find("", None)
            return AuthorizeResult(
                enterprise_id=context.get("enterprise_id"),
                team_id=found.team,
                bot_user_id=found.bot_user,
                bot_id=found.bot_id,
                bot_token=bot_token,
            )

        app = AsyncApp(
            logger=forwarding_logger(log, logging.ERROR),
            client=web_client(None, url, session, log),
            signing_secret=signing_secret,
            authorize=authorize,
            process_before_response=True,
        )
        return app, workspaces

    async def _greet(self, workspaces: OneWorkspace, app_token: str | None) -> None:
        try:
            found = await workspaces.find("", None)
            if app_token is not None:
                await found.client.apps_connections_open(app_token=app_token)
        except SlackApiError as error:
            raise _refused(error) from error
        self.log.info("slack connected", team=found.team, bot=found.bot_user)

    async def _watch(
        self, workspaces: OneWorkspace, app_token: str | None = None, is_connected: Check = always
    ) -> None:
        """Look now and then whether the tokens are still good: the app's when its socket does not stand."""
        found = await workspaces.find("", None)
        while True:
            await asyncio.sleep(_CHECK_EVERY_SECONDS)
            try:
                await found.client.auth_test()
                if app_token is not None and not await is_connected():
                    await found.client.apps_connections_open(app_token=app_token)
            except CALL_ERRORS as error:
                if isinstance(error, SlackApiError) and is_fatal(error):
                    raise _refused(error) from error


@asynccontextmanager
async def _served(
    app: AsyncApp, host: str, port: int, log: Log
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Bolt's routes on an HTTP server of our own event loop; the value closes it."""
    runner = web.AppRunner(app.web_app(path=EVENTS_PATH), shutdown_timeout=2.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        log.info("slack listens", host=host, port=runner.addresses[0][1], path=EVENTS_PATH)
        yield runner.cleanup
    finally:
        await runner.cleanup()


def _refused(error: SlackApiError) -> Exception:
    return SlackRefusedError(f"Slack refuses: {explain(error)}") if _is_for_people(error) else error


def _is_for_people(error: SlackApiError) -> bool:
    return is_fatal(error) or error.response.get("error") in ("missing_scope", "not_allowed_token_type")
