"""Slack over HTTP: signed requests, and several workspaces that install the app."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Literal

import pytest
from aiohttp import ClientSession
from cryptography.fernet import Fernet
from slack_hall import Hall
from slack_platform import SlackPlatform
from slack_sdk.oauth.installation_store.models.bot import Bot

pytest.importorskip("greenlet", reason="slack_sdk's installation store needs SQLAlchemy[asyncio]")

from connectors.slack.oauth import OAuthClient, open_store
from connectors.slack.sealing import Sealing, SealingError

QUESTION = "Where do visitors park?"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@asynccontextmanager
async def installed(
    slack: SlackPlatform, hall: Hall, folder: Path, token_keys: str = ""
) -> AsyncIterator[str]:
    """The connector as an HTTP server with OAuth; the value is its address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    slack.redirect_uri = f"{address}/slack/oauth_redirect"
    credentials = OAuthClient(slack.client_id, slack.client_secret, slack.redirect_uri, token_keys)
    service = hall.service(slack.api_url)
    running = asyncio.create_task(
        service.run_oauth(
            credentials, slack.signing_secret, f"sqlite:///{folder / 'journal.sqlite'}", "127.0.0.1", port
        )
    )
    try:
        await slack.until(lambda: running.done() or any("listens" in one["event"] for one in hall.log.lines))
        if running.done():
            await running
        slack.serve_over_http(f"{address}/slack/events")
        yield address
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def install(slack: SlackPlatform, address: str, team: str) -> int:
    """A person of a workspace installs the app in a browser; the status of the last page."""
    async with ClientSession() as browser:
        async with browser.get(f"{address}/slack/install") as page:
            cookie = page.headers["Set-Cookie"].split(";")[0]
        state, code = cookie.partition("=")[2], slack.authorize(team)
        redirect = f"{address}/slack/oauth_redirect?code={code}&state={state}"
        async with browser.get(redirect, headers={"Cookie": cookie}) as page:
            return page.status


async def test_each_workspace_that_installs_the_app_is_answered_with_its_own_token(
    slack: SlackPlatform, hall: Hall, tmp_path: Path
) -> None:
    other = slack.install("T0002", "Beta")
    async with installed(slack, hall, tmp_path) as address:
        statuses = [await install(slack, address, team) for team in (slack.team.id, other.id)]
        ada, bo = slack.user("Ada"), slack.user("Bo", team_id="T0002")
        here = slack.channel("help", [ada])
        there = slack.channel("hilfe", [bo], context_team_id="T0002")
        for person, channel in ((ada, here), (bo, there)):
            said = await slack.mention(person, channel, QUESTION)
            await slack.until(lambda channel=channel, ts=said.ts: slack.answers(channel, ts))
    assert statuses == [200, 200]
    assert {question.place.workspace for question in hall.engine.asked} == {"T0001", "T0002"}


async def test_tokens_are_kept_encrypted_where_there_is_a_key_and_a_new_key_may_be_put_before_it(
    slack: SlackPlatform, hall: Hall, tmp_path: Path
) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    async with installed(slack, hall, tmp_path, old) as address:
        await install(slack, address, slack.team.id)
    async with installed(slack, hall, tmp_path, f"{new},{old}"):
        await slack.dm(slack.user("Ada"), QUESTION)
        await slack.until(lambda: hall.engine.asked)
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection:
        rows = connection.execute("SELECT * FROM slack_bots").fetchall()
        rows += connection.execute("SELECT * FROM slack_installations").fetchall()
    assert len(rows) == 2
    assert "xoxb-" not in str(rows)
    assert str(rows).count("fernet:") == 2


def test_tokens_that_another_key_encrypted_are_not_read_in_silence() -> None:
    bot = Bot(bot_token="xoxb-1", bot_id="B1", bot_user_id="U1", installed_at=0.0)
    sealed = Sealing(Fernet.generate_key().decode()).sealed(bot)
    for keys in ("", Fernet.generate_key().decode()):
        with pytest.raises(SealingError, match="LOREBOT_TOKEN_KEY is not their key"):
            Sealing(keys).opened(sealed)


def test_tokens_that_were_kept_before_there_was_a_key_are_still_read() -> None:
    bot = Bot(bot_token="xoxb-1", bot_id="B1", bot_user_id="U1", installed_at=0.0)
    assert Sealing(Fernet.generate_key().decode()).opened(bot).bot_token == "xoxb-1"


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(SealingError, match="LOREBOT_TOKEN_KEY holds no key"):
        Sealing("correct horse battery staple")


def test_a_database_server_gets_no_token_in_the_clear(hall: Hall) -> None:
    url = "postgresql+psycopg://lorebot@db.example/lorebot"
    with pytest.raises(SealingError, match=r"would lie in db\.example in the clear: set LOREBOT_TOKEN_KEY"):
        open_store(OAuthClient("1.2", "secret"), url, hall.log)


async def test_who_installs_the_app_elsewhere_is_a_stranger(
    slack: SlackPlatform, hall: Hall, tmp_path: Path
) -> None:
    hall.options["own"] = [slack.team.id]
    other = slack.install("T0002", "Beta")
    async with installed(slack, hall, tmp_path) as address:
        for team in (slack.team.id, other.id):
            await install(slack, address, team)
        ada, eve = slack.user("Ada"), slack.user("Eve", kind="owner", team_id=other.id)
        slack.group("board", [eve], team_id=other.id)
        for person in (ada, eve):
            await slack.dm(person, QUESTION)
        await slack.until(lambda: len(hall.engine.asked) == 2)
    held = {question.asker.id: question.asker.principals for question in hall.engine.asked}
    assert "everyone" in held[ada]
    assert held[eve] == {"public"}


async def test_no_workspace_is_trusted_that_the_settings_do_not_name(
    slack: SlackPlatform, hall: Hall, tmp_path: Path
) -> None:
    async with installed(slack, hall, tmp_path) as address:
        await install(slack, address, slack.team.id)
        await slack.dm(slack.user("Ada", kind="admin"), QUESTION)
        await slack.until(lambda: hall.engine.asked)
    assert hall.engine.asked[0].asker.principals == {"public"}
    assert any("[slack] workspaces" in line["event"] for line in hall.log.of("warning"))


async def test_a_stranger_cannot_finish_somebodys_installation(
    slack: SlackPlatform, hall: Hall, tmp_path: Path
) -> None:
    async with installed(slack, hall, tmp_path) as address, ClientSession() as browser:
        code = slack.authorize(slack.team.id)
        async with browser.get(f"{address}/slack/oauth_redirect?code={code}&state=guessed") as page:
            status = page.status
    assert status == 400


@pytest.mark.parametrize("flaw", ["forged", "stale", "unsigned"])
async def test_a_request_that_slack_did_not_sign_is_refused(
    slack: SlackPlatform, hall: Hall, tmp_path: Path, flaw: Literal["forged", "stale", "unsigned"]
) -> None:
    async with installed(slack, hall, tmp_path) as address:
        await install(slack, address, slack.team.id)
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        event = {"type": "app_mention", "channel": help_, "user": ada, "ts": "1.1", "text": "<@U0BOT> Hello?"}
        status, _ = await slack.post_signed("events_api", slack.callback(event, slack.team), flaw)
        said = await slack.mention(ada, help_, QUESTION)
        await slack.until(lambda: slack.answers(help_, said.ts))
    assert status == 401
    assert [question.text for question in hall.engine.asked] == [QUESTION]


async def test_a_workspace_that_removes_the_app_is_forgotten(
    slack: SlackPlatform, hall: Hall, tmp_path: Path
) -> None:
    async with installed(slack, hall, tmp_path) as address:
        await install(slack, address, slack.team.id)
        for delivery in await slack.uninstall():
            await slack.until(lambda delivery=delivery: delivery.state == "acked")
        store = hall.journal.database._engine.connect().exec_driver_sql
        rows = (
            store("SELECT count(*) FROM slack_bots").scalar(),
            store("SELECT count(*) FROM slack_installations").scalar(),
        )
    assert rows == (0, 0)


async def test_one_workspace_over_http_needs_no_installation(slack: SlackPlatform, hall: Hall) -> None:
    port = free_port()
    running = asyncio.create_task(
        hall.service(slack.api_url).run_http(slack.team.token, slack.signing_secret, "127.0.0.1", port)
    )
    try:
        await slack.until(lambda: running.done() or any("listens" in one["event"] for one in hall.log.lines))
        slack.serve_over_http(f"http://127.0.0.1:{port}/slack/events")
        ada = slack.user("Ada")
        help_ = slack.channel("help", [ada])
        said = await slack.mention(ada, help_, QUESTION)
        await slack.until(lambda: slack.answers(help_, said.ts))
        given = await slack.slash(ada, help_, f"ask {QUESTION}")
        await slack.until(lambda: given.state == "acked")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(slack.answers(help_, said.ts)) == 1
