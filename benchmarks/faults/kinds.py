"""The faults: each is made for a block, and is over when the block ends."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from benchmarks.faults.scene import Scene, Stage

Making = Callable[[Scene], AbstractAsyncContextManager[None]]

_HOUR = 3_600
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and the stage that it is made on."""

    name: str
    stage: Stage
    making: Making


@asynccontextmanager
async def model_killed(scene: Scene) -> AsyncIterator[None]:
    """The model's server is killed, and started again."""
    await asyncio.to_thread(scene.model.kill)
    yield
    await asyncio.to_thread(scene.model.start)


@asynccontextmanager
async def model_frozen(scene: Scene) -> AsyncIterator[None]:
    """The model's server takes requests and says nothing."""
    scene.model.freeze()
    yield
    scene.model.thaw()


@asynccontextmanager
async def slack_down(scene: Scene) -> AsyncIterator[None]:
    """Slack refuses every connection."""
    await scene.slack.refuse()
    yield
    await scene.slack.open()


@asynccontextmanager
async def slack_silent(scene: Scene) -> AsyncIterator[None]:
    """No packet comes from Slack or reaches it."""
    scene.slack.be_silent()
    yield
    scene.slack.be_heard()


@asynccontextmanager
async def discord_down(scene: Scene) -> AsyncIterator[None]:
    """Discord refuses every connection."""
    await scene.discord.refuse()
    yield
    await scene.discord.open()


@asynccontextmanager
async def discord_silent(scene: Scene) -> AsyncIterator[None]:
    """No packet comes from Discord or reaches it."""
    scene.discord.be_silent()
    yield
    scene.discord.be_heard()


@asynccontextmanager
async def disk_full(scene: Scene) -> AsyncIterator[None]:
    """Nothing more can be written into the home."""
    ballast = scene.home / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            for size in (_MIB, 4096, 1):
                while file.write(b"\0" * size):
                    continue
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    yield
    ballast.unlink()


@asynccontextmanager
async def postgres_restarted(scene: Scene) -> AsyncIterator[None]:
    """Postgres is stopped at once, and started again."""
    assert scene.postgres is not None
    await asyncio.to_thread(scene.postgres.stop)
    yield
    await asyncio.to_thread(scene.postgres.start)


@asynccontextmanager
async def chroma_killed(scene: Scene) -> AsyncIterator[None]:
    """The server of the vectors is killed, and started again."""
    assert scene.chroma is not None
    await asyncio.to_thread(scene.chroma.kill)
    yield
    await asyncio.to_thread(scene.chroma.start)


@asynccontextmanager
async def clock_forward(scene: Scene) -> AsyncIterator[None]:
    """The clock is put forward by an hour, and back afterwards."""
    scene.clock.write_text(f"+{_HOUR}\n", encoding="utf-8")
    yield
    scene.clock.write_text("+0\n", encoding="utf-8")


@asynccontextmanager
async def clock_back(scene: Scene) -> AsyncIterator[None]:
    """The clock is put back by an hour, and forward afterwards."""
    scene.clock.write_text(f"-{_HOUR}\n", encoding="utf-8")
    yield
    scene.clock.write_text("+0\n", encoding="utf-8")


@asynccontextmanager
async def together(scene: Scene) -> AsyncIterator[None]:
    """The model's server, Chroma, Postgres, Slack and Discord are gone at once."""
    async with AsyncExitStack() as stack:
        for making in (model_killed, chroma_killed, postgres_restarted, slack_down, discord_down):
            await stack.enter_async_context(making(scene))
        yield


FAULTS = (
    # First: SQLite's log, once it has grown, takes what is written without growing.
    Fault("disk-full", "files", disk_full),
    Fault("model-killed", "files", model_killed),
    Fault("model-frozen", "files", model_frozen),
    Fault("slack-down", "files", slack_down),
    Fault("slack-silent", "files", slack_silent),
    Fault("discord-down", "files", discord_down),
    Fault("discord-silent", "files", discord_silent),
    Fault("chroma-killed", "servers", chroma_killed),
    Fault("postgres-restarted", "servers", postgres_restarted),
    Fault("together", "servers", together),
    Fault("clock-forward", "clock", clock_forward),
    Fault("clock-back", "clock", clock_back),
)
