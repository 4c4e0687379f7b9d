"""A running Lorebot with everything that it needs, each part of which can fail."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.faults.chats import Chat, DiscordChat, SlackChat
from benchmarks.faults.office import write_office
from benchmarks.faults.relay import Relay, relay_to
from benchmarks.live.model import ModelProcess, asking, model_process
from benchmarks.live.process import Served, Setup, prepare, started

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "servers"))

from chroma_process import ChromaProcess, running_chroma
from discord_platform import DiscordPlatform
from platforms import serving
from slack_platform import SlackPlatform

Stage = Literal["files", "servers", "clock"]

_POSTGRES = Path(__file__).parents[2] / ".ci" / "postgres"
_HOME_MIB = 48
_SLACK_PAUSES = (0.0, 60.0, 300.0)
_SERVERS = """
[catalog]
url = "{postgres}"

[journal]
url = "{postgres}"

[chroma]
url = "{chroma}"
"""
_FAKED = "*/faketime/libfaketimeMT.so.1"


class MissingError(Exception):
    """What a fault needs is not on this machine; the message is one line that names it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What runs, and can be made to fail."""

    served: Served
    home: Path
    clock: Path
    chats: Sequence[Chat]
    slack: Relay
    discord: Relay
    model: ModelProcess
    postgres: Postgres | None
    chroma: ChromaProcess | None


class Postgres:
    """A Postgres on loopback, which can be stopped as a crash does, and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = ""

    def create(self) -> None:
        """Make and start it. Raises `MissingError`."""
        made = subprocess.run([_POSTGRES, "start", self._folder], capture_output=True, text=True, check=False)
        if made.returncode:
            raise MissingError(made.stderr.strip().splitlines()[-1])
        self.url = made.stdout.strip()

    def stop(self) -> None:
        """Stop it at once, without a checkpoint."""
        subprocess.run([_POSTGRES, "stop", self._folder], check=True, capture_output=True)

    def start(self) -> None:
        """Start it again, as it was."""
        options = (self._folder / "data" / "postmaster.opts").read_text(encoding="utf-8")
        program, *arguments = shlex.split(options)
        control = str(Path(program).with_name("pg_ctl"))
        command = [control, "-D", str(self._folder / "data"), "-l", str(self._folder / "log"), "-w"]
        kept = [argument for argument in arguments if argument not in ("-D", str(self._folder / "data"))]
        command += ["-o", shlex.join(kept), "start"]
        owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run([*owner, *command], check=True, capture_output=True, cwd="/")


@asynccontextmanager
async def scene(folder: Path, models: Path, stage: Stage) -> AsyncIterator[Scene]:
    """All of it for the block, ready. Raises `MissingError`."""
    async with AsyncExitStack() as stack:
        stack.enter_context(readable(folder))
        slack = await stack.enter_async_context(serving(SlackPlatform()))
        slack.deliveries.pauses = _SLACK_PAUSES
        to_slack = await stack.enter_async_context(relayed(slack))
        discord = await stack.enter_async_context(serving(DiscordPlatform()))
        to_discord = await stack.enter_async_context(relayed(discord))
        model = stack.enter_context(model_process())
        postgres, chroma, tables = None, None, ""
        if stage == "servers":
            postgres = stack.enter_context(running_postgres(folder / "postgres"))
            chroma = stack.enter_context(running_chroma(folder / "chroma"))
            tables = _SERVERS.format(postgres=postgres.url, chroma=chroma.url)
        clock = folder / "clock"
        environment = {
            **{"SLACK_API_URL": slack.api_url, "SLACK_BOT_TOKEN": slack.team.token},
            **{"SLACK_APP_TOKEN": slack.app_token, "DISCORD_TOKEN": discord.token},
            **{"DISCORD_API_URL": discord.api_url, "DISCORD_GATEWAY_URL": discord.gateway_url},
            **(faked_clock(clock) if stage == "clock" else {}),
        }
        office = write_office(folder / "documents")
        setup = Setup(folder, office, models, asking(model), tables, environment)
        if stage == "files":
            stack.enter_context(small_disk(setup.home))
        chats = (SlackChat(slack), DiscordChat(discord))
        served = await stack.enter_async_context(started(setup, prepare(setup)))
        await served.until_ready()
        yield Scene(served, setup.home, clock, chats, to_slack, to_discord, model, postgres, chroma)


@asynccontextmanager
async def relayed(platform: SlackPlatform | DiscordPlatform) -> AsyncIterator[Relay]:
    """A relay to a platform, which from then on calls itself by the relay's address."""
    async with relay_to(int(platform.url.rpartition(":")[2])) as relay:
        platform.url = f"http://127.0.0.1:{relay.port}"
        yield relay


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """A folder that others, as the user of Postgres, may enter."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    yield


@contextmanager
def running_postgres(folder: Path) -> Iterator[Postgres]:
    """A Postgres for the block."""
    postgres = Postgres(folder)
    postgres.create()
    try:
        yield postgres
    finally:
        postgres.stop()


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A folder on a file system of its own, in memory, for the block. Raises `MissingError`."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_HOME_MIB}m", "tmpfs", str(folder)]
    made = subprocess.run(mount, capture_output=True, text=True, check=False)
    if made.returncode:
        raise MissingError(f"no file system of its own can be mounted for the home: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def faked_clock(file: Path) -> dict[str, str]:
    """The variables with which a process takes its time of day from a file. Raises `MissingError`.

    https://github.com/wolfcw/libfaketime; the monotonic clock goes on, as it does when NTP steps.
    """
    found = sorted(Path("/usr/lib").glob(_FAKED))
    if not found:
        raise MissingError("libfaketime is not installed; Debian has it (apt-get install libfaketime)")
    file.write_text("+0\n", encoding="utf-8")
    return {
        **{"LD_PRELOAD": str(found[0]), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_CACHE_DURATION": "1"},
        **{"FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"},
    }
