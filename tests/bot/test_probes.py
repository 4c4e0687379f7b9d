"""An orchestrator and Prometheus learn how a process is, also while it is busy, starts or stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, web

from adapters.generation import GenerationError
from bot.metrics import Metrics
from bot.probes import Probes
from bot.readiness import Check, Readiness
from bot.redaction import Redaction
from bot.warming import Warming
from connectors.presence import Presence, always


async def there() -> str:
    return ""


async def missing() -> str:
    return "it is not connected"


async def hanging() -> str:
    await asyncio.Event().wait()
    return ""


async def broken() -> str:
    raise OSError("no such disk for s3cr3t-t0ken")


class Pages:
    """The pages of a process whose parts a test holds."""

    def __init__(self, url: str, readiness: Readiness, metrics: Metrics, stop: asyncio.Event) -> None:
        self.url = url
        self.readiness = readiness
        self.metrics = metrics
        self.stop = stop

    async def get(self, path: str) -> tuple[int, str, Mapping[str, str]]:
        async with ClientSession() as session, session.get(self.url + path) as response:
            return response.status, await response.text(), response.headers

    async def ready(self) -> tuple[int, dict[str, Any]]:
        async with ClientSession() as session, session.get(f"{self.url}/readyz") as response:
            return response.status, dict(await response.json())


@asynccontextmanager
async def pages() -> AsyncIterator[Pages]:
    stop, metrics = asyncio.Event(), Metrics()
    readiness = Readiness(stop, within_seconds=0.05)
    with ThreadPoolExecutor(1) as threads:
        probes = Probes(readiness, metrics, threads, Redaction(["s3cr3t-t0ken"]).clean)
        runner = web.AppRunner(probes.application(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield Pages(f"http://127.0.0.1:{runner.addresses[0][1]}", readiness, metrics, stop)
        finally:
            await runner.cleanup()


async def test_a_process_that_starts_lives_and_is_not_ready() -> None:
    async with pages() as here:
        alive, _, _ = await here.get("/healthz")
        status, told = await here.ready()
    assert alive == 200
    assert (status, told) == (503, {"ready": False, "process": "it is starting"})


async def test_a_process_is_ready_when_all_that_it_needs_is_there() -> None:
    checks: dict[str, Check] = {"index": there, "slack": there}
    async with pages() as here:
        here.readiness.begin(checks)
        assert await here.ready() == (200, {"ready": True, "index": "ok", "slack": "ok"})


async def test_what_is_missing_is_named_and_what_hangs_holds_nobody_up() -> None:
    async with pages() as here:
        here.readiness.begin({"index": there, "slack": missing, "journal": hanging})
        status, told = await here.ready()
    assert status == 503
    assert told == {
        "ready": False,
        "index": "ok",
        "slack": "it is not connected",
        "journal": "no answer within 0.05 s",
    }


async def test_what_is_stood_in_for_is_named_and_keeps_nobody_from_asking() -> None:
    async with pages() as here:
        here.readiness.begin({"index": there}, {"vectors": missing})
        status, told = await here.ready()
    assert (status, told) == (200, {"ready": True, "index": "ok", "vectors": "it is not connected"})


async def test_what_fails_is_told_without_secrets() -> None:
    async with pages() as here:
        here.readiness.begin({"index": broken})
        assert (await here.ready())[1]["index"] == "no such disk for [secret]"


async def test_a_process_that_was_told_to_end_lives_and_is_not_ready() -> None:
    async with pages() as here:
        here.readiness.begin({"index": there})
        here.stop.set()
        alive, _, _ = await here.get("/healthz")
        status, told = await here.ready()
    assert (alive, status, told["process"]) == (200, 503, "it is stopping")


async def test_a_scrape_that_takes_long_does_not_hold_up_the_loop() -> None:
    class Slow:
        def collect(self) -> Any:
            time.sleep(0.5)
            return ()

    async with pages() as here:
        here.metrics.register(Slow())  # type: ignore[arg-type]
        scrape = asyncio.create_task(here.get("/metrics"))
        await asyncio.sleep(0.05)
        alive, _, _ = await here.get("/healthz")
        was_on = not scrape.done()
        status, _, _ = await scrape
    assert (alive, was_on, status) == (200, True, 200)


async def test_metrics_are_in_prometheus_own_format_and_never_cached() -> None:
    async with pages() as here:
        _, page, headers = await here.get("/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=")
    assert headers["Cache-Control"] == "no-store"
    assert "# TYPE lorebot_questions_total counter" in page or "# TYPE lorebot_questions counter" in page


# What the checks ask


class Log:
    """Keeps the events that it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def info(self, event: str, /, **fields: Any) -> None:
        self.events.append(event)

    warning = error = info


async def test_models_that_cannot_be_loaded_are_tried_again_and_the_reason_is_told() -> None:
    failures = [GenerationError("The model is not there."), GenerationError("The model is not there.")]
    reasons: list[str] = []

    async def load() -> None:
        reasons.append(warming.missing)
        if failures:
            raise failures.pop()

    log = Log()
    warming = Warming(load, log, first_pause=0.001)
    await warming.run()
    assert reasons == ["the models are being loaded", "The model is not there.", "The model is not there."]
    assert warming.missing == ""
    assert log.events == ["the models are not ready"] * 2 + ["the models are ready"]


async def test_a_platform_is_connected_while_a_connection_of_it_stands() -> None:
    presence, stands = Presence(), True

    async def is_connected() -> bool:
        return stands

    before = await presence.is_connected("slack")
    with presence.attending("slack", is_connected):
        during = await presence.is_connected("slack")
        stands = False
        broken_off = await presence.is_connected("slack")
    after = await presence.is_connected("slack")
    assert (before, during, broken_off, after) == (False, True, False, False)


async def test_a_connection_that_ends_late_does_not_take_its_successor_away() -> None:
    presence = Presence()
    first, second = presence.attending("slack", missing_connection), presence.attending("slack", always)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert await presence.is_connected("slack")


async def missing_connection() -> bool:
    return False


@pytest.mark.parametrize("path", ["/", "/metrics/..", "/admin"])
async def test_nothing_else_is_served(path: str) -> None:
    async with pages() as here:
        assert (await here.get(path))[0] == 404
