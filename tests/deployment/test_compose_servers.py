"""compose.yaml's profile `servers` as plain processes: its own commands and variables, on loopback."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from dockerfile import exec_form
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from test_compose import COMPOSE, FINAL, PATIENCE_SECONDS, free_port, wait_until_ready

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from model_server import ModelServer
from model_server import serving as model_serving
from slack_platform import SlackPlatform, slack_platform

POSTGRES = os.environ.get("TEST_POSTGRES_URL")
SERVICES = COMPOSE["services"]
_DEFAULT = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def filled(value: str, given: dict[str, str]) -> str:
    """A value of compose.yaml with its variables replaced, as compose does."""
    return _DEFAULT.sub(lambda found: given.get(found[1], found[2] or ""), value)


@contextmanager
def database() -> Iterator[str]:
    """An empty database in the Postgres for tests; its URL."""
    assert POSTGRES is not None
    url = make_url(POSTGRES)
    name = f"compose_{uuid4().hex[:12]}"
    engine = create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield url.set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@contextmanager
def chroma(folder: Path) -> Iterator[str]:
    """The command of the service `chroma`, in a folder and on a port of this machine; its URL."""
    port = str(free_port())
    here = {"/data": str(folder), "0.0.0.0": "127.0.0.1", "8000": port}
    arguments = [here.get(argument, argument) for argument in SERVICES["chroma"]["command"]]
    program = Path(sys.executable).with_name("chroma")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "ANONYMIZED_TELEMETRY": "False"}
    with subprocess.Popen([program, *arguments], env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


@contextmanager
def lorebot(folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The entry of the image with the command of the service, and a handbook."""
    (folder / "documents").mkdir()
    (folder / "documents" / "parking.md").write_text("# Parking\n\nVisitors park in bay 14.\n")
    source = f'[[sources]]\nname = "handbook"\nkind = "folder"\npath = "{folder / "documents"}"\n'
    (folder / "lorebot.toml").write_text(source)
    entry = exec_form(next(i.rest for i in FINAL if i.word == "ENTRYPOINT"))
    command = [Path(sys.executable).with_name(entry[0]), *entry[1:]]
    command += SERVICES["lorebot-with-servers"]["command"]
    with (
        (folder / "serve.log").open("w") as log,
        subprocess.Popen(command, env=environment, cwd=folder, stderr=log, text=True) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


async def answer(slack: SlackPlatform) -> str:
    """What is answered to somebody who asks where visitors park."""
    ada = slack.user("Ada")
    channel = slack.channel("help", [ada])
    said = await slack.mention(ada, channel, "In which bay do visitors park?")

    def complete() -> list[str]:
        shown = slack.answers(channel, said.ts)
        return [each.words for each in shown if each.elements("feedback_buttons")]

    await slack.until(complete, PATIENCE_SECONDS)
    return complete()[0]


@pytest.mark.slow
@pytest.mark.timeout(3 * PATIENCE_SECONDS)
@pytest.mark.skipif(not POSTGRES, reason="no TEST_POSTGRES_URL")
async def test_its_parts_become_ready_and_answer(tmp_path: Path) -> None:
    model = ModelServer(says=("Visitors park ", "in bay 14 [1]."))
    with database() as postgres_url, chroma(tmp_path / "chroma") as chroma_url:
        async with model_serving(model), slack_platform() as slack:
            given = {"SLACK_BOT_TOKEN": slack.team.token, "SLACK_APP_TOKEN": slack.app_token}
            given |= {"VLLM_MODEL": "large"}
            of_service = SERVICES["lorebot-with-servers"]["environment"]
            environment = {name: filled(value, given) for name, value in of_service.items()}
            there = {"postgresql://lorebot@postgres/lorebot": postgres_url, "http://chroma:8000": chroma_url}
            there |= {"http://vllm:8000/v1": model.url}
            environment = {name: there.get(value, value) for name, value in environment.items()}
            port = free_port()
            environment |= {
                "PATH": os.environ["PATH"],
                "HF_HUB_OFFLINE": "1",
                "LOREBOT_CONFIG": str(tmp_path / "lorebot.toml"),
                "LOREBOT_HOME": str(tmp_path / "home"),
                "LOREBOT_SERVE__HEALTH_HOST": "127.0.0.1",
                "LOREBOT_SERVE__HEALTH_PORT": str(port),
                "SLACK_API_URL": slack.api_url,
            }
            with lorebot(tmp_path, environment) as serving:
                await asyncio.to_thread(wait_until_ready, port, serving)
                await slack.until(lambda: '"synced"' in (tmp_path / "serve.log").read_text(), 300)
                said = await answer(slack)
                serving.send_signal(signal.SIGTERM)
                code = await asyncio.to_thread(serving.wait, PATIENCE_SECONDS)
    assert "Visitors park in bay 14" in said
    assert model.streamed
    assert code == 0, (tmp_path / "serve.log").read_text()


def test_every_address_of_its_servers_is_one_of_its_services() -> None:
    for value in SERVICES["lorebot-with-servers"]["environment"].values():
        found = re.search(r"://(?:\w+@)?(\w+)", value)
        assert found is None or found[1] in SERVICES
