"""The platforms that `lorebot serve` works on: those whose credentials are in the environment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.database import journal_url

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from bot.assembly import Assembly

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0

# Who runs so long has come up; the next failure is a new one.
_STEADY_SECONDS = 120.0

Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Connector:
    """A platform. `run` works until cancelled, and raises `refused` for what only a person can mend."""

    name: str
    run: Callable[[], Coroutine[None, None, None]]
    refused: type[Exception]


def build_connectors(
    assembly: Assembly, log: FilteringBoundLogger, environment: Environment
) -> tuple[Connector, ...]:
    """Every platform that has credentials. What is half there is said in the log."""
    found = []
    missing = missing_for_slack(environment)
    if missing:
        log.info("slack is not connected", missing=", ".join(missing))
    elif missing is not None:
        found.append(_slack(assembly, log, environment))
    if environment.get("DISCORD_TOKEN", "").strip():
        found.append(_discord(assembly, log, environment))
    return tuple(found)


def missing_for_slack(environment: Environment) -> tuple[str, ...] | None:
    """The variables that are missing for Slack: none at all when it can run, None when it is not meant."""
    has = {name for name in environment if name.startswith("SLACK_") and environment[name].strip()}
    if not has & {"SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"}:
        return None
    if "SLACK_APP_TOKEN" in has:
        return () if "SLACK_BOT_TOKEN" in has else ("SLACK_BOT_TOKEN",)
    if "SLACK_BOT_TOKEN" in has and not has & {"SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"}:
        return ()
    return tuple(sorted({"SLACK_SIGNING_SECRET", "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"} - has))


async def supervise(connector: Connector, log: FilteringBoundLogger) -> None:
    """Keep a platform running: after a failure again, later each time; not when a person must mend it."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        started = time.monotonic()
        try:
            await connector.run()
            return
        except connector.refused as refusal:
            log.error(f"{connector.name} is off until it is mended and I am restarted", reason=str(refusal))
            return
        except Exception as error:
            log.error(f"{connector.name} failed", error=f"{type(error).__name__}: {error}", again_in=pause)
        if time.monotonic() - started > _STEADY_SECONDS:
            pause = FIRST_PAUSE_SECONDS
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


@asynccontextmanager
async def beside(run: Callable[[], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """Have something run during the block; it is cancelled after the block's own end."""
    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _slack(assembly: Assembly, log: FilteringBoundLogger, environment: Environment) -> Connector:
    from connectors.slack.app import SlackOptions
    from connectors.slack.running import SlackRefusedError, SlackService
    from connectors.slack.workspace import API_URL

    settings = assembly.settings.slack
    options = SlackOptions(
        reaction=settings.reaction,
        audiences=settings.audiences,
        api_url=environment.get("SLACK_API_URL") or API_URL,
        at_once=assembly.settings.limits.at_once,
    )
    token, secret = environment.get("SLACK_BOT_TOKEN", ""), environment.get("SLACK_SIGNING_SECRET", "")

    async def run() -> None:
        ports = await asyncio.to_thread(assembly.ports, log, settings.admins)
        service = SlackService(ports, options, log, assembly.settings.serve.shutdown_seconds)
        if app_token := environment.get("SLACK_APP_TOKEN"):
            await service.run_socket(token, app_token)
        elif client_id := environment.get("SLACK_CLIENT_ID"):
            from connectors.slack.manifest import REDIRECT_PATH
            from connectors.slack.oauth import OAuthClient
            from connectors.slack.sealing import KEY_VARIABLE

            public = settings.public_url
            redirect = public.rstrip("/") + REDIRECT_PATH if public else None
            keys = environment.get(KEY_VARIABLE, "")
            credentials = OAuthClient(client_id, environment["SLACK_CLIENT_SECRET"], redirect, keys)
            database = journal_url(assembly.settings.journal.url, assembly.layout.journal)
            url = database.render_as_string(hide_password=False)
            service = replace(service, options=replace(options, own=settings.workspaces))
            await service.run_oauth(credentials, secret, url, settings.host, settings.port)
        else:
            await service.run_http(token, secret, settings.host, settings.port)

    return Connector("slack", run, SlackRefusedError)


def _discord(assembly: Assembly, log: FilteringBoundLogger, environment: Environment) -> Connector:
    from connectors.discord.app import API_URL, DiscordOptions
    from connectors.discord.running import DiscordRefusedError, DiscordService

    settings = assembly.settings.discord
    options = DiscordOptions(
        guilds=settings.guilds,
        forums=settings.forums,
        opens_threads=settings.replies == "thread",
        reads_content=settings.message_content,
        api_url=environment.get("DISCORD_API_URL") or API_URL,
        gateway_url=environment.get("DISCORD_GATEWAY_URL", ""),
        at_once=assembly.settings.limits.at_once,
    )
    token = environment["DISCORD_TOKEN"].strip()

    async def run() -> None:
        ports = await asyncio.to_thread(assembly.ports, log, settings.admins)
        closing = assembly.settings.serve.shutdown_seconds
        await DiscordService(ports, options, log, closing).run(token)

    return Connector("discord", run, DiscordRefusedError)
