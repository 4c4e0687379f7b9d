"""The Slack app: its parts, and its listeners."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from aiohttp import ClientSession
from slack_bolt.async_app import AsyncApp

from connectors.asking import AT_ONCE, Questions
from connectors.log import Log
from connectors.ports import Ports
from connectors.slack import actions, events, shortcuts, slash, welcoming
from connectors.slack.answering import Answering
from connectors.slack.audience import Audience
from connectors.slack.complaints import explain
from connectors.slack.desk import Desk
from connectors.slack.files import Files
from connectors.slack.people import People
from connectors.slack.workspace import API_URL, Workspaces


@dataclass(frozen=True, slots=True)
class SlackOptions:
    """How the connector works.

    `audiences` tell by channel what all its readers hold, `own` are the team's workspaces: see `Audience`.
    """

    reaction: str = ""
    audiences: Mapping[str, Collection[str]] = field(default_factory=dict)
    own: Collection[str] | None = None
    command: str = "/lorebot"
    api_url: str = API_URL
    at_once: int = AT_ONCE


def register(
    app: AsyncApp,
    ports: Ports,
    workspaces: Workspaces,
    options: SlackOptions,
    session: ClientSession,
    log: Log,
) -> tuple[Desk, Answering]:
    """Give the app all its listeners; what they share is returned."""
    people = People()
    desk = Desk(
        ports,
        workspaces,
        Audience(people, options.audiences, log, options.own),
        Files(session, options.api_url),
        Questions(ports, log, options.at_once, explain),
        log,
    )
    answering = Answering(desk)
    events.register(app, answering, people, options.reaction)
    slash.register(app, desk, answering, options.command)
    actions.register(app, desk, answering)
    shortcuts.register(app, desk, answering)
    welcoming.register(app, desk, answering)
    events.register_the_rest(app)
    return desk, answering
