"""A Model Context Protocol server whose resources a test writes down in a file, over stdio and over HTTP.

`python mcp_resources.py FOLDER` speaks over stdio; `serving(FOLDER)` over HTTP on the loopback. The folder
holds `resources.json`, a list of `Described`, read anew at each request, and `asked.txt`, a line a request.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

PAGE = 2


@dataclass(frozen=True, slots=True)
class Described:
    """A resource; `does` is what reading it does: "answer", "hang", "die", "refuse", "swell" (20 MB).

    In a listing "end listing" and "loop listing" say what happens at its page instead of the next one.
    """

    uri: str
    text: str = ""
    blob: str | None = None
    name: str = "resource"
    title: str | None = None
    mime_type: str | None = None
    modified: str | None = None
    does: str = "answer"


def write_resources(folder: Path, *described: Described) -> None:
    """Let the server have these resources from its next request on."""
    written = folder / "resources.json.new"
    written.write_text(json.dumps([asdict(each) for each in described]), encoding="utf-8")
    written.replace(folder / "resources.json")


def requests(folder: Path) -> list[str]:
    """What the server was asked, in order: `list`, or `read URI`; `start` when its process began."""
    asked = folder / "asked.txt"
    return asked.read_text(encoding="utf-8").splitlines() if asked.exists() else []


def server(folder: Path) -> Server[Any]:
    """The server of a folder."""

    def described() -> list[Described]:
        return [Described(**each) for each in json.loads((folder / "resources.json").read_text("utf-8"))]

    async def list_resources(_context: Any, params: Any) -> types.ListResourcesResult:
        _note(folder, "list")
        start = int(params.cursor) if params and params.cursor else 0
        all_of_them = described()
        page = all_of_them[start : start + PAGE]
        doings = {each.does for each in page}
        if "end listing" in doings:
            os._exit(3)
        if "hang listing" in doings:
            await asyncio.sleep(3600)
        following = str(start + PAGE) if start + PAGE < len(all_of_them) else None
        resources = [_resource(each) for each in page]
        return types.ListResourcesResult(
            resources=resources, next_cursor="0" if "loop listing" in doings else following
        )

    async def read_resource(_context: Any, params: Any) -> types.ReadResourceResult:
        _note(folder, f"read {params.uri}")
        found = next((each for each in described() if each.uri == params.uri), None)
        if found is None:
            raise MCPError(-32002, "Resource not found")
        if found.does == "hang":
            await asyncio.sleep(3600)
        if found.does == "die":
            print("ValueError: out of ideas", file=sys.stderr, flush=True)
            os._exit(3)
        if found.does == "refuse":
            raise MCPError(-32603, f"not for you\n\x1b[31m{found.text}")
        text = "x" * 20_000_000 if found.does == "swell" else found.text
        content: types.TextResourceContents | types.BlobResourceContents
        if found.blob is not None:
            content = types.BlobResourceContents(uri=found.uri, blob=found.blob, mime_type=found.mime_type)
        else:
            content = types.TextResourceContents(uri=found.uri, text=text, mime_type=found.mime_type)
        return types.ReadResourceResult(contents=[content])

    return Server("resources", on_list_resources=list_resources, on_read_resource=read_resource)


def _resource(described: Described) -> types.Resource:
    annotations = types.Annotations(last_modified=described.modified) if described.modified else None
    return types.Resource(
        uri=described.uri,
        name=described.name,
        title=described.title,
        mime_type=described.mime_type,
        size=len((described.blob or described.text).encode()),
        annotations=annotations,
    )


def _note(folder: Path, line: str) -> None:
    with (folder / "asked.txt").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


@contextmanager
def serving(folder: Path, token: str | None = None) -> Iterator[str]:
    """Serve a folder over streamable HTTP and yield the URL; who lacks the bearer token is told 401."""
    import uvicorn

    app: Any = server(folder).streamable_http_app()
    guarded = _guarded(app, token) if token else app
    config = uvicorn.Config(guarded, log_level="critical", lifespan="on", timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=running.run, args=([listening],), daemon=True)
        thread.start()
        while not running.started and thread.is_alive():
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        finally:
            running.should_exit = True
            thread.join()


def _guarded(app: Any, token: str) -> Callable[..., Any]:
    async def guard(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        if scope["type"] != "http" or headers.get(b"authorization") == f"Bearer {token}".encode():
            await app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b"no"})

    return guard


def command(folder: Path) -> Sequence[str]:
    """The command that serves a folder over stdio."""
    return (sys.executable, __file__, str(folder))


async def _speak(folder: Path) -> None:
    _note(folder, f"start {os.getpid()}")
    serves = server(folder)
    async with stdio_server() as (incoming, outgoing):
        await serves.run(incoming, outgoing, serves.create_initialization_options())


if __name__ == "__main__":
    asyncio.run(_speak(Path(sys.argv[1])))
