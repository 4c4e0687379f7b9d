"""A Model Context Protocol server as a child process: its messages are lines, and their length is bounded."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from knowledge.documents import KnowledgeError
from knowledge.sources.mcp_connection import PATIENCE, McpConnection, Patience, Trace

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

_SECONDS_TO_EXIT = 2.0
_POLL_SECONDS = 0.01
_MOST_STRAY_LINES = 1_000
_KEPT_WORDS = 2_000


def stdio_connection(
    command: Sequence[str],
    environment: Mapping[str, str],
    max_bytes: int = 50_000_000,
    patience: Patience = PATIENCE,
) -> McpConnection:
    """Make a connection to a server that is a program on this machine.

    `environment` is added to the few variables that the SDK passes on. `max_bytes` bounds what a resource
    holds; a message may be twice as long, for its encoding, and a megabyte.
    """
    most = 2 * max_bytes + 1_000_000
    return McpConnection(
        lambda trace: stdio_transport(command, environment, most, trace),
        patience,
        frozenset(filter(None, environment.values())),
    )


@asynccontextmanager
async def stdio_transport(
    command: Sequence[str], environment: Mapping[str, str], max_bytes: int, trace: Trace
) -> AsyncIterator[TransportStreams]:
    """Run a server and speak with it over its standard input and output, one JSON-RPC message a line.

    The SDK's own `stdio_client` does the same without a bound on the length of a line. A message over
    `max_bytes`, or 1,000 lines that are none, end the connection, and `trace` says why; it also keeps the
    last of what the server writes to its standard error. The process and its children are ended in the
    order of https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#shutdown: its input is
    closed, then it is terminated, then killed. Raises `KnowledgeError` when it cannot be started.
    """
    import anyio
    from mcp.client.stdio import get_default_environment

    try:
        process: Any = await anyio.open_process(
            list(command), env=get_default_environment() | dict(environment), start_new_session=True
        )
    except (OSError, ValueError) as error:
        reason = "it is not installed, or not on the path" if isinstance(error, FileNotFoundError) else error
        raise KnowledgeError(f"cannot be started with {command[0]!r}: {reason}") from error

    # No awaits before the task group: a cancellation between would leave the process running.
    incoming_writer, incoming = anyio.create_memory_object_stream[Any](0)
    outgoing, outgoing_reader = anyio.create_memory_object_stream[Any](0)

    async def read_messages() -> None:
        async with incoming_writer:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                async for message in _messages(process, max_bytes, trace):
                    await incoming_writer.send(message)

    async def write_messages() -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            async for sent in outgoing_reader:
                line = sent.message.model_dump_json(by_alias=True, exclude_unset=True)
                await process.stdin.send(line.encode() + b"\n")

    async def keep_words() -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async for part in process.stderr:
                trace.words = (trace.words + part.decode(errors="replace"))[-_KEPT_WORDS:]

    async with anyio.create_task_group() as tasks:
        for task in (read_messages, write_messages, keep_words):
            tasks.start_soon(task)
        try:
            yield incoming, outgoing
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)
                for stream in (incoming, outgoing, incoming_writer, outgoing_reader):
                    await stream.aclose()
            tasks.cancel_scope.cancel()


async def _messages(process: Any, max_bytes: int, trace: Trace) -> AsyncIterator[Any]:
    """Yield what the server says; `SessionMessage`s, as the SDK's session takes them."""
    from mcp.shared.message import SessionMessage
    from mcp_types import jsonrpc_message_adapter

    held, searched, stray_lines = bytearray(), 0, 0
    async for part in process.stdout:
        held += part
        while (end := held.find(b"\n", searched)) >= 0:
            line = bytes(held[:end])
            del held[: end + 1]
            searched = 0
            try:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                # Some servers also print what is meant for people.
                stray_lines += bool(line.strip())
            else:
                yield SessionMessage(message)
        searched = len(held)
        if searched > max_bytes:
            trace.refusal = f"sends a message of more than {max_bytes / 1e6:,.0f} MB"
            return
        if stray_lines > _MOST_STRAY_LINES:
            trace.refusal = "writes to its standard output what is not MCP"
            return


async def _end(process: Any) -> None:
    import anyio

    with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        await process.stdin.aclose()
    for number in (None, signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        if number is not None:
            _signal(process, number)
        if await _has_ended(process):
            break
    if sys.platform != "win32":
        _signal(process, signal.SIGKILL)  # What it started and left behind.
    await process.aclose()


def _signal(process: Any, number: signal.Signals) -> None:
    """Send a signal to the process and all that it started."""
    with suppress(OSError):
        if sys.platform == "win32":
            process.send_signal(number)
        else:
            os.killpg(process.pid, number)


async def _has_ended(process: Any) -> bool:
    # Not process.wait(), which also waits for who inherited the pipes.
    import anyio

    with anyio.move_on_after(_SECONDS_TO_EXIT):
        while process.returncode is None:  # noqa: ASYNC110
            await anyio.sleep(_POLL_SECONDS)
    return process.returncode is not None
