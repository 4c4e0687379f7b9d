"""Whether the app is installed as it must be: each thing that is missing, with the fix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from connectors.checking import Checked
from connectors.log import Log
from connectors.slack.complaints import explain
from connectors.slack.manifest import SOCKET_SCOPE, missing_scopes
from connectors.slack.streaming import CALL_ERRORS
from connectors.slack.workspace import open_session, web_client


async def check(environment: Mapping[str, str], api_url: str, log: Log) -> tuple[Checked, ...]:
    """Try the tokens of the environment on Slack: who the bot is, what it may, whether the socket opens."""
    async with open_session() as session:
        client = web_client(None, api_url, session, log)
        checked = []
        if bot_token := environment.get("SLACK_BOT_TOKEN"):
            checked += await _bot(client, bot_token)
        elif not environment.get("SLACK_CLIENT_ID"):
            fix = "set SLACK_BOT_TOKEN: 'OAuth & Permissions' > 'Bot User OAuth Token', once installed"
            checked.append(Checked("bot token", "missing", fix))
        if app_token := environment.get("SLACK_APP_TOKEN"):
            checked.append(await _socket(client, app_token))
        else:
            checked.append(_http(environment))
    return tuple(checked)


async def _bot(client: AsyncWebClient, token: str) -> list[Checked]:
    try:
        said = await client.auth_test(token=token)
    except CALL_ERRORS as error:
        return [Checked("bot token", "refused", explain(error))]
    checked = [Checked("bot token", f"{said.get('user')} in {said.get('team')}")]
    granted = _granted(said.headers)
    lacking = missing_scopes(granted)
    for scope, why in lacking:
        fix = f"add it under 'OAuth & Permissions' > 'Scopes' to {why}, and install the app again"
        checked.append(Checked(f"scope {scope}", "missing", fix))
    if not lacking:
        checked.append(Checked("scopes", f"{len(granted)} granted"))
    return checked


async def _socket(client: AsyncWebClient, token: str) -> Checked:
    try:
        await client.apps_connections_open(app_token=token)
    except SlackApiError as error:
        return Checked("socket", "refused", explain(error))
    except CALL_ERRORS as error:
        return Checked("socket", "not reached", explain(error))
    return Checked("socket", "opens")


def _http(environment: Mapping[str, str]) -> Checked:
    if environment.get("SLACK_SIGNING_SECRET"):
        return Checked("HTTP", "the signing secret is set; Slack tries the address when you save it there")
    fix = (
        "set SLACK_APP_TOKEN for Socket Mode ('Basic Information' > 'App-Level Tokens', scope "
        f"{SOCKET_SCOPE}), or SLACK_SIGNING_SECRET for HTTP"
    )
    return Checked("connection", "missing", fix)


def _granted(headers: Mapping[str, Any]) -> frozenset[str]:
    found = next((value for name, value in headers.items() if name.lower() == "x-oauth-scopes"), "")
    return frozenset(scope.strip() for scope in str(found).split(",") if scope.strip())
