"""The pages by which an orchestrator and Prometheus watch a running Lorebot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager

from aiohttp import hdrs, web

from bot.metrics import Metrics
from bot.readiness import Readiness
from bot.settings import SettingsError

_NEVER_CACHED = {hdrs.CACHE_CONTROL: "no-store"}


class Probes:
    """`/healthz`: the event loop runs. `/readyz`: questions are taken and can be answered. `/metrics`.

    What blocks runs in `threads`, so that work of the engine does not keep a probe waiting. `clean` gets
    what `/readyz` says of failures.
    """

    def __init__(
        self, readiness: Readiness, metrics: Metrics, threads: Executor, clean: Callable[[str], str]
    ) -> None:
        self._readiness = readiness
        self._metrics = metrics
        self._threads = threads
        self._clean = clean

    def application(self) -> web.Application:
        """The pages."""
        application = web.Application()
        application.router.add_get("/healthz", self._health)
        application.router.add_get("/readyz", self._ready)
        application.router.add_get("/metrics", self._measures)
        return application

    async def _health(self, request: web.Request) -> web.Response:
        # An event loop that hangs does not come here, and the prober's own time limit tells.
        return web.Response(text="ok\n", headers=_NEVER_CACHED)

    async def _ready(self, request: web.Request) -> web.Response:
        missing, impaired = await asyncio.gather(self._readiness.missing(), self._readiness.impaired())
        is_ready = not any(missing.values())
        found = {name: self._clean(reason) or "ok" for name, reason in (missing | impaired).items()}
        status = 200 if is_ready else 503
        return web.json_response({"ready": is_ready, **found}, status=status, headers=_NEVER_CACHED)

    async def _measures(self, request: web.Request) -> web.Response:
        loop, accept = asyncio.get_running_loop(), request.headers.get(hdrs.ACCEPT, "")
        page, content_type = await loop.run_in_executor(self._threads, self._metrics.exposition, accept)
        return web.Response(body=page, headers={hdrs.CONTENT_TYPE: content_type, **_NEVER_CACHED})


@asynccontextmanager
async def served(application: web.Application, host: str, port: int) -> AsyncIterator[None]:
    """Serve pages during the block. Raises `SettingsError` when the address cannot be listened on."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise SettingsError(
                f"serve.health_port: {host}:{port} cannot be listened on ({error.strerror or error}); choose "
                "another, or 0 for none"
            ) from error
        yield
    finally:
        await runner.cleanup()
