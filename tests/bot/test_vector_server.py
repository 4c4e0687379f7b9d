"""Vectors on a Chroma server, as those see it who set Lorebot up and watch it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from chroma_process import ChromaProcess
from log_standins import Log

from bot.assembly import Assembly
from bot.live_metrics import LiveMetrics
from bot.metrics import Metrics
from bot.settings import Settings, SettingsError, load_settings
from bot.vector_server import build_chroma_server, vector_problem
from bot.vector_upkeep import VectorUpkeep


def test_a_password_in_the_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    config = tmp_path / "lorebot.toml"
    config.write_text('[chroma]\nurl = "http://me:hunter2@chroma.example"', encoding="utf-8")

    with pytest.raises(SettingsError) as caught:
        load_settings(config)

    assert "key_env" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_environment_may_name_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOREBOT_CHROMA__URL", "http://chroma:8000")

    server = build_chroma_server(Settings().chroma, {})

    assert str(server) == "The Chroma server at http://chroma:8000"


def test_without_a_url_there_is_none() -> None:
    assert build_chroma_server(Settings().chroma, {}) is None


async def test_vectors_are_looked_after_between_syncs_and_again_after_a_failure() -> None:
    log, looks, enough = Log(), iter([True, False, False, False]), asyncio.Event()
    caught_up: list[int] = []
    loop = asyncio.get_running_loop()

    def catch_up() -> None:
        caught_up.append(len(caught_up))
        if len(caught_up) == 1:
            raise OSError("no space left")
        loop.call_soon_threadsafe(enough.set)

    upkeep = asyncio.create_task(VectorUpkeep(catch_up, lambda: next(looks, True), log, 0.001).run())
    await enough.wait()
    upkeep.cancel()
    await asyncio.wait({upkeep})

    assert log.lines[0] == {"event": "vectors not looked after", "error": "OSError: no space left"}


@pytest.mark.slow
def test_status_doctor_and_metrics_tell_how_the_server_does(
    office: Path,
    own_chroma_process: ChromaProcess,
    lorebot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOREBOT_CHROMA__URL", own_chroma_process.url)
    monkeypatch.setenv("COLUMNS", "300")
    assert lorebot("sync").code == 0
    announced: list[str] = []
    assembly = Assembly(load_settings(None), announced.append)
    metrics = Metrics()
    metrics.register(LiveMetrics(assembly, False, Log()))

    status, doctor = lorebot("status").out, lorebot("doctor").out
    scraped = metrics.exposition("")[0].decode()

    assert f"on {own_chroma_process.url}" in status
    assert f"the Chroma server at {own_chroma_process.url}" in doctor
    assert "has the vectors" in doctor
    assert "lorebot_vector_server_in_use 1.0" in scraped
    assert vector_problem(assembly) == ""
    assert not list((office / "home" / "index").glob("*/vectors/*"))

    own_chroma_process.kill()

    status, doctor = lorebot("status").out, lorebot("doctor").out
    assert f"searched exactly: The Chroma server at {own_chroma_process.url} cannot be reached" in status
    assert "start the server, or correct [chroma]" in doctor
    assert lorebot("search", "where do visitors park").out.count("bay 14") == 1
    asyncio.run(assembly.close())
