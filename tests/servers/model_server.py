"""A server with the OpenAI-compatible API over real HTTP, which answers as a test tells it to.

It knows the model `large`, and the adapters that were loaded, lie in its folder, or were named. Of vLLM it
has the resolver folder and the endpoints that load and unload, of llama.cpp the list of adapters.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

BASE = "large"
Asked = dict[str, Any]
Behaviour = Callable[["ModelServer", web.Request, Asked], Awaitable[web.StreamResponse]]


@dataclass
class ModelServer:
    """What the server knows, what it was asked, and how it will answer the next requests.

    `behaviours` are taken one a request; without one it does as `usually`, or says `says`. With
    `answers_unknown_from_base` it does as TGI does, and with `applies_nothing` it is a vLLM whose adapters
    have no modules.
    """

    says: tuple[str, ...] = ("The shop ", "opens at 9 ", "[1].")
    usage: tuple[int, int] | None = (40, 7)
    folder: Path | None = None
    answers_unknown_from_base: bool = False
    applies_nothing: bool = False
    tells_logprobs: bool = True
    lora_files: list[str] = field(default_factory=list)
    named: set[str] = field(default_factory=set)
    loaded: dict[str, str] = field(default_factory=dict)
    behaviours: deque[Behaviour] = field(default_factory=deque)
    usually: Behaviour | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    managed: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    @property
    def streamed(self) -> list[dict[str, Any]]:
        """The requests for an answer, without those that only look at log-probabilities."""
        return [request for request in self.asked if request.get("stream")]

    def knows(self, model: str) -> bool:
        in_folder = self.folder is not None and (self.folder / model / "adapter_config.json").is_file()
        return model == BASE or model in self.named or model in self.loaded or in_folder


def application(server: ModelServer) -> web.Application:
    """The server as an application, for `loopback.running`."""
    app = web.Application()

    async def chat(request: web.Request) -> web.StreamResponse:
        return await _chat(server, request)

    async def manage(request: web.Request) -> web.StreamResponse:
        return await _manage(server, request)

    async def models(request: web.Request) -> web.StreamResponse:
        listed = [{"id": name, "object": "model"} for name in (BASE, *server.named, *server.loaded)]
        return web.json_response({"object": "list", "data": listed})

    async def adapters(request: web.Request) -> web.StreamResponse:
        listed = [{"id": n, "path": path, "scale": 0.0} for n, path in enumerate(server.lora_files)]
        return web.json_response(listed)

    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_post("/v1/load_lora_adapter", manage)
    app.router.add_post("/v1/unload_lora_adapter", manage)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/lora-adapters", adapters)
    return app


@asynccontextmanager
async def serving(server: ModelServer) -> AsyncIterator[ModelServer]:
    """Run the server on loopback until the block ends; it notices when a client hangs up."""
    runner = web.AppRunner(application(server), shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


async def _chat(server: ModelServer, request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    server.asked.append(asked)
    server.keys.append(request.headers.get("Authorization", ""))
    if asked.get("stream") and server.behaviours:
        return await server.behaviours.popleft()(server, request, asked)
    if not server.knows(asked["model"]) and not server.answers_unknown_from_base:
        return failing(404, f"The model `{asked['model']}` does not exist.")
    usual = server.usually or saying(*server.says)
    return await (usual if asked.get("stream") else _log_probabilities)(server, request, asked)


async def _manage(server: ModelServer, request: web.Request) -> web.StreamResponse:
    fields = await request.json()
    server.managed.append((request.path.rsplit("/", 1)[1], fields))
    name = fields["lora_name"]
    if request.path.endswith("unload_lora_adapter"):
        if server.loaded.pop(name, None) is None:
            return failing(404, f"The lora adapter '{name}' cannot be found.")
        return web.Response(text="Success")
    if name in server.loaded:
        return failing(400, f"The lora adapter '{name}' has already been loaded.")
    server.loaded[name] = fields["lora_path"]
    return web.Response(text="Success")


async def _log_probabilities(server: ModelServer, request: web.Request, asked: Asked) -> web.StreamResponse:
    """The base likes one token, and every adapter another."""
    speaks = asked["model"] != BASE and server.knows(asked["model"])
    speaks = speaks or any(entry["scale"] for entry in asked.get("lora", ()))
    low = -2.0 if speaks and not server.applies_nothing else -0.5
    listed = [{"token": "The", "logprob": low}, {"token": "It", "logprob": -1.5}]
    content = [{**listed[0], "bytes": None, "top_logprobs": listed}] if server.tells_logprobs else None
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "The"},
        "finish_reason": "length",
        "logprobs": {"content": content},
    }
    return web.json_response(
        {"id": "1", "object": "chat.completion", "created": 0, "model": asked["model"], "choices": [choice]}
    )


def failing(status: int, message: str, **headers: str) -> web.Response:
    """An error as these servers tell one."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response({"error": {"message": message}}, status=status, headers=named)


def saying(
    *pieces: str, ends: str | None = "stop", bytes_a_write: int | None = None, seconds_a_piece: float = 0.0
) -> Behaviour:
    """An answer in these pieces; `ends` is the reason that its last chunk tells, None for one cut off."""

    async def behave(server: ModelServer, request: web.Request, asked: Asked) -> web.StreamResponse:
        response = await _opened(request)
        text = b"".join(map(_content, pieces)) if bytes_a_write else b""
        for start in range(0, len(text), bytes_a_write or 1):
            await response.write(text[start : start + (bytes_a_write or 1)])
        for piece in () if bytes_a_write else pieces:
            await asyncio.sleep(seconds_a_piece)
            await response.write(_content(piece))
        if ends is not None:
            await response.write(_ending(ends))
            if server.usage and asked.get("stream_options", {}).get("include_usage"):
                await response.write(_usage(*server.usage))
            await response.write(b"data: [DONE]\n\n")
        return response

    return behave


def refusing(status: int, message: str, **headers: str) -> Behaviour:
    """An error before any text."""

    async def behave(server: ModelServer, request: web.Request, asked: Asked) -> web.StreamResponse:
        return failing(status, message, **headers)

    return behave


def hanging(*pieces: str) -> Behaviour:
    """These pieces, and then nothing more, until the other side hangs up."""

    async def behave(server: ModelServer, request: web.Request, asked: Asked) -> web.StreamResponse:
        try:
            response = await _opened(request) if pieces else None
            for piece in pieces:
                assert response is not None
                await response.write(_content(piece))
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            server.hung_up.set()
            raise
        raise AssertionError

    return behave


def breaking(*pieces: str) -> Behaviour:
    """These pieces, and then a connection that is reset."""

    async def behave(server: ModelServer, request: web.Request, asked: Asked) -> web.StreamResponse:
        response = await _opened(request) if pieces else web.StreamResponse()
        for piece in pieces:
            await response.write(_content(piece))
        assert request.transport is not None
        request.transport.abort()
        return response

    return behave


def sending(*lines: str) -> Behaviour:
    """A stream of exactly these lines."""

    async def behave(server: ModelServer, request: web.Request, asked: Asked) -> web.StreamResponse:
        response = await _opened(request)
        for line in lines:
            await response.write(line.encode() + b"\n\n")
        return response

    return behave


async def _opened(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(_event({"choices": [{"index": 0, "delta": {"role": "assistant"}}]}))
    return response


def _content(piece: str) -> bytes:
    return _event({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})


def _ending(reason: str) -> bytes:
    return _event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})


def _usage(prompt: int, reply: int) -> bytes:
    counted = {"prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply}
    return _event({"choices": [], "usage": counted})


def _event(fields: dict[str, Any]) -> bytes:
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": BASE, **fields}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"
