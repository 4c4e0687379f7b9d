"""A question is rewritten by a remote model when there is one, and by rules when that model fails."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from adapters.generation import GenerationError, GenerationRequest, Message
from adapters.remote.breaker import CircuitBreaker
from adapters.remote.budget import NoLimit
from adapters.remote.chat import ChatServer
from adapters.remote.endpoint import Endpoint, Timeouts
from adapters.remote.generator import RemoteGenerator
from adapters.remote.voices import NoVoices
from bot.rewriting import ModelRewriter
from connectors.conversation import Turn

HISTORY = (Turn("How long is the warranty of the Heron?", "Five years."),)
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(reply: Reply) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", reply)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


def saying(*pieces: str, heard: list[dict[str, object]] | None = None) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        if heard is not None:
            heard.append(await request.json() | {"authorization": request.headers["Authorization"]})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
            chunk["choices"] = [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]  # type: ignore[assignment]
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        await response.write(f"data: {json.dumps(end)}\n\ndata: [DONE]\n\n".encode())
        return response

    return reply


def remote(url: str, timeout: float = 5.0) -> RemoteGenerator:
    endpoint = Endpoint(url, "large", "k-123", Timeouts(timeout, timeout, timeout), 0)
    server = ChatServer(endpoint, CircuitBreaker(), lambda event: None)
    return RemoteGenerator(server, NoVoices("large"), lambda event: None, NoLimit())


async def rewritten(url: str, timeout: float = 30.0) -> str:
    generator = remote(url, timeout)
    try:
        return await ModelRewriter(generator, timeout).rewrite("and the warrenty of the Tern?", HISTORY)
    finally:
        await generator.close()


async def test_the_remote_model_rewrites_the_question() -> None:
    heard: list[dict[str, object]] = []
    async with serving(saying("How long is the warranty ", "of the Tern?", heard=heard)) as url:
        assert await rewritten(url) == "How long is the warranty of the Tern?"
    assert heard[0]["authorization"] == "Bearer k-123"
    assert "Five years." in json.dumps(heard[0]["messages"])


async def refusing(request: web.Request) -> web.StreamResponse:
    return web.json_response({"error": {"message": "no such model"}}, status=404)


async def hanging(request: web.Request) -> web.StreamResponse:
    import asyncio

    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize(
    "reply", [refusing, saying("Here it is:\nHow long?"), saying("x" * 1000), saying(" \n")], ids=range(4)
)
async def test_the_rules_take_over_when_the_model_gives_no_question(reply: Reply) -> None:
    async with serving(reply) as url:
        assert "Tern" in await rewritten(url)
        assert "Here it is" not in await rewritten(url)


async def test_the_rules_take_over_when_the_model_is_late() -> None:
    async with serving(hanging) as url:
        assert "Tern" in await rewritten(url, timeout=0.3)


async def test_the_rules_take_over_when_nothing_listens() -> None:
    async with serving(refusing) as url:
        pass
    assert "Tern" in await rewritten(url)


async def test_an_error_names_the_server_and_not_the_key() -> None:
    async with serving(refusing) as url:
        generator = remote(url)
        with pytest.raises(GenerationError, match=r"The model large at http.*no such model") as caught:
            async for _ in generator.stream(GenerationRequest((Message("user", "hello"),))):
                pass
        await generator.close()
    assert "k-123" not in str(caught.value)
