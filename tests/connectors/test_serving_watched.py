"""`lorebot serve` as a process that is watched and told to end, with a local Slack and a slow server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientSession, web
from slack_platform import SlackPlatform
from test_slack_serving import CEILING, office, said, serving

from connectors.reference import reference_of

__all__ = ["office"]

KEY = "sk-planted-0123456789abcdef"
OTHER_SECRET = 'planted "in" the/environment'
WATCHED = """
[rewriting]
url = "{url}"
model = "slow"
timeout_seconds = 60

[serve]
health_port = {port}
shutdown_seconds = {seconds}

[limits]
person_questions = 1
"""
REFUSED = "I take 1 question in 10 minutes from one person, and you have asked more. Ask again in 10 minutes."


class Rewriting:
    """A model's server that answers when its gate is open, and then repeats the key in its error."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.asked = 0
        self.url = ""

    async def refuse(self, request: web.Request) -> web.Response:
        self.asked += 1
        await self.gate.wait()
        told = {"error": {"message": f"{request.headers['Authorization']} may not", "type": "no"}}
        return web.json_response(told, status=401)


@asynccontextmanager
async def rewriting() -> AsyncIterator[Rewriting]:
    server, application = Rewriting(), web.Application()
    application.router.add_post("/v1/chat/completions", server.refuse)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        server.gate.set()
        await runner.cleanup()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def made_ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models that are made ready once for these tests."""
    return tmp_path_factory.mktemp("models")


class Watched:
    """What the pages of a process say."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    async def page(self, path: str) -> tuple[int, str]:
        async with ClientSession() as session, session.get(self.url + path) as response:
            return response.status, await response.text()

    async def readiness(self) -> dict[str, Any]:
        try:
            return dict(json.loads((await self.page("/readyz"))[1]))
        except ClientConnectionError:
            return {}

    async def value(self, series: str) -> float:
        for line in (await self.page("/metrics"))[1].splitlines():
            if line.rpartition(" ")[0] == series:
                return float(line.rpartition(" ")[2])
        return 0.0

    async def until_ready(self, process: subprocess.Popen[bytes]) -> None:
        async with asyncio.timeout(CEILING):
            while not (await self.readiness()).get("ready"):
                assert process.poll() is None
                await asyncio.sleep(0.1)


def prepared(office: Path, models: Path, server: Rewriting, seconds: float) -> Watched:
    (office / "home").mkdir()
    (office / "home" / "models").symlink_to(models)
    port = free_port()
    config = office / "lorebot.toml"
    config.write_text(config.read_text() + WATCHED.format(url=server.url, port=port, seconds=seconds))
    return Watched(port)


def environment(slack: SlackPlatform) -> dict[str, str]:
    return {
        "SLACK_API_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.team.token,
        "SLACK_APP_TOKEN": slack.app_token,
        "OPENAI_API_KEY": KEY,
        "WIKI_TOKEN": OTHER_SECRET,
    }


async def ended(process: subprocess.Popen[bytes]) -> int:
    async with asyncio.timeout(CEILING):
        while process.poll() is None:
            await asyncio.sleep(0.05)
    return int(process.returncode)


def leaks(folder: Path, secrets: list[str]) -> list[str]:
    """The files that a process wrote, beside its models, in which a secret stands."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and "models" not in path.parts and path.name != "lorebot.toml":
            content = path.read_bytes()
            found += [path.name for secret in secrets if secret.encode() in content]
    return found


def has_buttons(slack: SlackPlatform, channel: str, ts: str) -> bool:
    return any(shown.elements("feedback_buttons") for shown in slack.answers(channel, ts))


@pytest.mark.slow
@pytest.mark.timeout(4 * CEILING)
async def test_told_to_end_it_says_so_finishes_what_is_in_flight_and_kept_every_secret(
    slack: SlackPlatform, office: Path, made_ready: Path
) -> None:
    ada, bob = slack.user("Ada"), slack.user("Bob")
    help_ = slack.channel("help", [ada, bob])
    async with rewriting() as server:
        watched = prepared(office, made_ready, server, 60)
        with serving(office, environment(slack)) as process:
            await watched.until_ready(process)
            await slack.until(lambda: len(said(office, "synced")) == 2, CEILING)
            ready = await watched.page("/readyz")

            server.gate.set()
            first = await slack.mention(ada, help_, "With which code does the barrier open?")
            await slack.until(lambda: has_buttons(slack, help_, first.ts), CEILING)
            more = await slack.mention(ada, help_, "Where do visitors park?")
            await slack.until(
                lambda: any("Ask again" in shown.words for shown in slack.answers(help_, more.ts)), CEILING
            )
            refused = slack.answers(help_, more.ts)[0].words
            answered = await watched.value('lorebot_questions_total{platform="slack",route="knowledge"}')
            limited = await watched.value(
                'lorebot_questions_unanswered_total{platform="slack",reason="limit"}'
            )
            written = await watched.value("lorebot_generated_tokens_total")
            _, metrics = await watched.page("/metrics")

            server.gate.clear()
            server.asked = 0
            last = await slack.mention(bob, help_, "Where do visitors park?")
            await slack.until(lambda: server.asked, CEILING)
            in_work = await watched.value("lorebot_questions_in_work")
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(CEILING):
                while "process" not in (stopping := await watched.readiness()):
                    await asyncio.sleep(0.05)
            alive, _ = await watched.page("/healthz")
            server.gate.set()
            code = await ended(process)
    assert ready[0] == 200
    assert json.loads(ready[1]) == dict.fromkeys(("index", "model", "journal", "slack"), "ok") | {
        "ready": True
    }
    assert "4711" in slack.answers(help_, first.ts)[0].words
    assert REFUSED in refused
    assert (answered, limited, in_work) == (1.0, 1.0, 1.0)
    assert written > 0
    assert 'lorebot_source_age_seconds{source="office"}' in metrics
    assert 'lorebot_syncs_total{result="complete",source="board"}' in metrics
    assert 'lorebot_adapter_places{adapter="' in metrics
    assert help_ not in metrics and ada not in metrics
    assert (stopping["ready"], stopping["process"], alive) == (False, "it is stopping", 200)
    assert "row C" in slack.answers(help_, last.ts)[0].words
    assert code == 0
    lines = [line["event"] for line in said(office, "stopped")]
    assert lines == ["stopped"]
    (one, two) = said(office, "answered")
    assert one["reference"] != two["reference"]
    warned = [line for line in said_by(office, "bot.rewriting") if line["reference"] == one["reference"]]
    assert warned
    secrets = [KEY, OTHER_SECRET, json.dumps(OTHER_SECRET)[1:-1], slack.team.token, slack.app_token]
    assert leaks(office, secrets) == []
    assert not any(secret in metrics for secret in secrets)


def said_by(office: Path, logger: str) -> list[dict[str, Any]]:
    written = (office / "serve.log").read_text().splitlines()
    told = [json.loads(line) for line in written if line.startswith("{") and line.endswith("}")]
    return [line for line in told if line.get("logger") == logger]


@pytest.mark.slow
@pytest.mark.timeout(4 * CEILING)
async def test_what_is_not_finished_within_the_limit_is_answered_after_the_next_start_once(
    slack: SlackPlatform, office: Path, made_ready: Path
) -> None:
    ada = slack.user("Ada")
    help_ = slack.channel("help", [ada])
    async with rewriting() as server:
        watched = prepared(office, made_ready, server, 0.5)
        with serving(office, environment(slack)) as process:
            await watched.until_ready(process)
            await slack.until(lambda: len(said(office, "synced")) == 2, CEILING)
            asked = await slack.mention(ada, help_, "Where do visitors park?")
            await slack.until(lambda: server.asked, CEILING)
            process.send_signal(signal.SIGTERM)
            first_code = await ended(process)
        before = has_buttons(slack, help_, asked.ts)
        server.gate.set()
        with serving(office, environment(slack)) as process:
            await slack.until(lambda: has_buttons(slack, help_, asked.ts), CEILING)
            process.send_signal(signal.SIGTERM)
            second_code = await ended(process)
    assert (first_code, before, second_code) == (0, False, 0)
    (answer,) = slack.answers(help_, asked.ts)
    assert "row C" in answer.words
    (line,) = said(office, "taking up what another process left")
    assert {one["reference"] for one in said(office, "answered")} == {reference_of(line["key"])}


@pytest.mark.slow
@pytest.mark.timeout(2 * CEILING)
async def test_a_port_that_is_taken_is_said_in_one_line(office: Path, made_ready: Path) -> None:
    async with rewriting() as server:
        watched = prepared(office, made_ready, server, 1)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", int(watched.url.rpartition(":")[2])))
            taken.listen()
            with serving(office, dict(os.environ)) as process:
                code = await ended(process)
    assert code == 2
    last = (office / "serve.log").read_text().splitlines()[-1]
    assert last.startswith("lorebot: serve.health_port: 127.0.0.1:")
    assert last.endswith("choose another, or 0 for none")
