"""The Discord app: how it works, and its parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import discord
from aiohttp import ClientSession

from connectors.asking import AT_ONCE, Questions
from connectors.discord.answering import Answering
from connectors.discord.audience import Audience
from connectors.discord.client import LorebotClient, may_read_content
from connectors.discord.complaints import CONTENT_OFF, explain
from connectors.discord.desk import Desk
from connectors.discord.files import Files
from connectors.discord.missed import Missed
from connectors.discord.orders import Orders
from connectors.discord.pauses import PACING, Pacing, Pauses
from connectors.discord.presses import AnswerPresses
from connectors.discord.sessions import Sessions
from connectors.discord.slash import register
from connectors.log import Log
from connectors.ports import Ports

API_URL = "https://discord.com/api/v10"


@dataclass(frozen=True, slots=True)
class DiscordOptions:
    """How the connector works.

    `guilds` are the ids of the team's servers, those that the bot is in if it is empty; `forums` the ids and
    names of the forum channels whose posts are answered of themselves. Without `reads_content`, or where
    Discord does not grant that, only what is addressed to the bot is heard. `gateway_url` is empty for
    Discord's.
    """

    guilds: tuple[str, ...] = ()
    forums: tuple[str, ...] = ()
    opens_threads: bool = True
    reads_content: bool = True
    api_url: str = API_URL
    gateway_url: str = ""
    at_once: int = AT_ONCE
    pacing: Pacing = PACING


@dataclass(frozen=True, slots=True)
class App:
    """The parts that outlive a connection, and what makes a new one."""

    desk: Desk
    answering: Answering
    missed: Missed
    connect: Callable[[], LorebotClient]


def build(
    ports: Ports, options: DiscordOptions, rest: discord.Client, session: ClientSession, log: Log
) -> App:
    """The app's parts; `rest` makes its calls, and knows about the bot what Discord says at its login."""
    application = rest.application
    is_public = application is None or application.bot_public
    connected: list[LorebotClient] = []
    desk = Desk(
        ports,
        rest,
        lambda: connected[-1],
        Audience(options.guilds, log, is_public=is_public),
        Files(session, options.api_url),
        Questions(ports, log, options.at_once, explain),
        log,
    )
    answering, orders, missed = Answering(desk), Orders(desk), Missed(rest, log)
    presses = AnswerPresses(desk, answering, orders)
    sessions = Sessions(options.pacing.sessions_apart, log)
    reads_content = options.reads_content and may_read_content(rest.application_flags)
    if options.reads_content and not reads_content:
        log.warning("discord: the content of messages is not granted", fix=CONTENT_OFF)
    commands = partial(register, desk=desk, answering=answering, orders=orders)

    def connect() -> LorebotClient:
        client = LorebotClient(
            desk,
            answering,
            presses,
            missed,
            sessions,
            partial(Pauses, options.pacing),
            commands,
            forums=options.forums,
            opens_threads=options.opens_threads,
            reads_content=reads_content,
        )
        connected[:] = [client]
        return client

    return App(desk, answering, missed, connect)
