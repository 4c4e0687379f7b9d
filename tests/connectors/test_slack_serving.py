"""`lorebot serve` as a process, with the real engine, against a local Slack."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from slack_platform import SlackPlatform

CEILING = 180.0
CONFIG = """
home = "home"

[models]
generation = "{model}"

[[sources]]
kind = "folder"
name = "office"
path = "documents"

[[sources]]
kind = "folder"
name = "board"
path = "board"
audience = ["group:board"]
"""
PARKING = "# Parking\n\n## Visitors\n\nVisitors park in row C. The barrier opens with code 4711.\n"
BOARD = "# Board\n\n## Salary of the director\n\nThe director earns 9,431 euros a month.\n"


@pytest.fixture
def office(tmp_path: Path, tiny_model: Path) -> Path:
    """A folder with settings and two sources, one of them for a group alone.

    The model is two random layers: what it says does not hold, so that the evidence is quoted.
    """
    for folder, name, text in (("documents", "parking.md", PARKING), ("board", "salaries.md", BOARD)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    (tmp_path / "lorebot.toml").write_text(CONFIG.format(model=tiny_model))
    return tmp_path


@contextmanager
def serving(folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A `lorebot serve` process for the block; its log is `serve.log`."""
    command = [sys.executable, "-c", "from bot.cli import main; main()", "serve"]
    with (folder / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **environment}
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def lines(folder: Path) -> list[dict[str, Any]]:
    written = (folder / "serve.log").read_text().splitlines()
    return [json.loads(line) for line in written if line.startswith("{") and line.endswith("}")]


def said(folder: Path, event: str) -> list[dict[str, Any]]:
    return [line for line in lines(folder) if line["event"] == event]


def credentials(slack: SlackPlatform) -> dict[str, str]:
    return {
        "SLACK_API_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.team.token,
        "SLACK_APP_TOKEN": slack.app_token,
    }


@pytest.mark.slow
@pytest.mark.timeout(3 * CEILING)
async def test_a_question_in_slack_is_answered_from_the_documents_that_its_readers_may_read(
    slack: SlackPlatform, office: Path
) -> None:
    ada = slack.user("Ada")
    slack.group("board", [ada])
    help_ = slack.channel("help", [ada])
    with serving(office, credentials(slack)) as process:
        await slack.connected(seconds=CEILING)
        await slack.until(lambda: len(said(office, "synced")) == 2, CEILING)
        asked = await slack.mention(ada, help_, "With which code does the barrier open?")
        secret = await slack.mention(ada, help_, "What does the director earn?")
        private = await slack.dm(ada, "What does the director earn?")
        for one in (asked, secret, private):
            await slack.until(
                lambda one=one: any(
                    shown.elements("feedback_buttons") for shown in slack.answers(one.channel, one.ts)
                ),
                CEILING,
            )
        process.send_signal(signal.SIGTERM)
        code = await _ended(slack, process)
    assert "4711" in slack.answers(help_, asked.ts)[0].words
    assert "Parking › Visitors" in slack.answers(help_, asked.ts)[0].words
    assert "9,431" not in slack.answers(help_, secret.ts)[0].words
    assert "9,431" in slack.answers(private.channel, private.ts)[0].words
    assert code == 0
    assert lines(office)[-1]["event"] == "stopped"


@pytest.mark.slow
@pytest.mark.timeout(3 * CEILING)
async def test_a_refused_token_is_said_once_and_the_rest_goes_on(slack: SlackPlatform, office: Path) -> None:
    slack.team.revoked = True
    with serving(office, credentials(slack)) as process:
        await slack.until(lambda: [line for line in lines(office) if line["level"] == "error"], CEILING)
        await slack.until(lambda: len(said(office, "synced")) == 2, CEILING)
        process.send_signal(signal.SIGTERM)
        code = await _ended(slack, process)
    (line,) = [line for line in lines(office) if line["level"] == "error"]
    assert "install the app again" in line["reason"]
    assert slack.team.token not in (office / "serve.log").read_text()
    assert code == 0


async def _ended(slack: SlackPlatform, process: subprocess.Popen[bytes]) -> int | None:
    await slack.until(lambda: process.poll() is not None, CEILING)
    return process.returncode
