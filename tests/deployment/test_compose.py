"""compose.yaml: what it says holds, and the command that it runs answers on the health port."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from dockerfile import exec_form, stages

from bot.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
FINAL = stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))[-1]
OURS = ("lorebot", "lorebot-with-servers")
PATIENCE_SECONDS = 300.0


def of_profile(profile: str) -> set[str]:
    return {name for name, service in COMPOSE["services"].items() if profile in service["profiles"]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_it_is_a_compose_file() -> None:
    linter = Path(sys.executable).with_name("compose-lint")

    linted = subprocess.run(
        [linter, "check", "--fail-on", "high", ROOT / "compose.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_lorebot_runs_alone_or_with_its_servers() -> None:
    assert of_profile("alone") == {"lorebot"}
    assert of_profile("servers") == {"lorebot-with-servers", "postgres", "chroma", "vllm"}


def test_chroma_is_the_version_that_the_embedded_one_has() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = re.search(r"^chromadb==(\S+)", lock, re.MULTILINE)

    assert pinned
    assert COMPOSE["services"]["chroma"]["image"] == f"chromadb/chroma:{pinned[1]}"


def test_the_servers_have_no_port_outside() -> None:
    for name in of_profile("servers") - {*OURS}:
        assert "ports" not in COMPOSE["services"][name]


def test_lorebot_is_told_where_chroma_listens() -> None:
    command = COMPOSE["services"]["chroma"]["command"]
    url = COMPOSE["services"]["lorebot-with-servers"]["environment"]["LOREBOT_CHROMA__URL"]

    assert url == f"http://chroma:{command[command.index('--port') + 1]}"


@pytest.mark.slow
def test_the_command_of_chroma_serves_and_its_probe_tells(tmp_path: Path) -> None:
    service, port = COMPOSE["services"]["chroma"], str(free_port())
    here = {"/data": str(tmp_path / "data"), "0.0.0.0": "127.0.0.1", "8000": port}
    command = [here.get(word, word) for word in service["command"]]
    probe = [word.replace("$$", "$").replace("/8000", f"/{port}") for word in service["healthcheck"]["test"]]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    def is_healthy() -> bool:
        ran = subprocess.run(probe[1:], env=environment, check=False, capture_output=True)
        return ran.returncode == 0

    assert not is_healthy()
    program = Path(sys.executable).with_name("chroma")
    with subprocess.Popen([program, *command], env=environment, stdout=subprocess.DEVNULL) as serving:
        try:
            until = time.monotonic() + PATIENCE_SECONDS
            while not is_healthy() and time.monotonic() < until:
                time.sleep(0.2)
            assert is_healthy()
        finally:
            serving.kill()


def test_services_wait_only_for_services_of_their_profile() -> None:
    for service in COMPOSE["services"].values():
        for awaited, condition in service.get("depends_on", {}).items():
            assert set(service["profiles"]) <= set(COMPOSE["services"][awaited]["profiles"])
            healthy = condition["condition"] == "service_healthy"
            assert not healthy or "healthcheck" in COMPOSE["services"][awaited]


def test_volumes_that_are_used_are_named() -> None:
    used = {
        volume.partition(":")[0]
        for service in COMPOSE["services"].values()
        for volume in service.get("volumes", [])
    }

    assert {name for name in used if not name.startswith(".")} == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", OURS)
def test_lorebot_may_do_nothing_that_it_need_not(name: str) -> None:
    service = COMPOSE["services"][name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize("name", OURS)
def test_its_variables_are_settings_that_exist(name: str) -> None:
    for variable in COMPOSE["services"][name]["environment"]:
        if variable.startswith("LOREBOT_"):
            table, _, key = variable.removeprefix("LOREBOT_").lower().partition("__")
            assert key in type(getattr(Settings(), table)).model_fields


def test_secrets_come_from_the_environment() -> None:
    for service in COMPOSE["services"].values():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"TOKEN|PASSWORD|KEY|SECRET", variable):
                assert re.fullmatch(r"\$\{[A-Z_]+:-\}", value)


def test_it_gives_lorebot_longer_to_stop_than_lorebot_takes() -> None:
    grace = float(COMPOSE["services"]["lorebot"]["stop_grace_period"].removesuffix("s"))

    assert grace > Settings().serve.shutdown_seconds


@pytest.mark.slow
def test_what_it_starts_answers_on_the_health_port_and_stops_when_told(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "parking.md").write_text(
        "# Parking\n\nVisitors park in bay 14.\n", encoding="utf-8"
    )
    (tmp_path / "lorebot.toml").write_text(
        f'[[sources]]\nname = "handbook"\nkind = "folder"\npath = "{tmp_path / "documents"}"\n',
        encoding="utf-8",
    )
    entry = exec_form(next(i.rest for i in FINAL if i.word == "ENTRYPOINT"))
    command = [
        Path(sys.executable).with_name(entry[0]),
        *entry[1:],
        *COMPOSE["services"]["lorebot"]["command"],
    ]
    probe = exec_form(next(i.rest for i in FINAL if i.word == "HEALTHCHECK"))
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HF_HUB_OFFLINE": "1",
        "LOREBOT_CONFIG": str(tmp_path / "lorebot.toml"),
        "LOREBOT_HOME": str(tmp_path / "home"),
        "LOREBOT_SERVE__HEALTH_HOST": "127.0.0.1",
        "LOREBOT_SERVE__HEALTH_PORT": str(port),
        "SLACK_BOT_TOKEN": "",
        "SLACK_APP_TOKEN": "",
        "DISCORD_TOKEN": "",
    }
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as serving:
        try:
            wait_until_ready(port, serving)
            asked = subprocess.run([sys.executable, *probe[1:]], env=environment, check=False)
        finally:
            serving.send_signal(signal.SIGTERM)
            _, said = serving.communicate(timeout=PATIENCE_SECONDS)

    assert asked.returncode == 0, said
    assert serving.returncode == 0, said


def wait_until_ready(port: int, serving: subprocess.Popen[str]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and serving.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
