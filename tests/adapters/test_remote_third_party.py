"""A real server of others answers: one whose address is given, as that of `python -m llama_cpp.server`.

TEST_OPENAI_URL ends before `/chat/completions`; TEST_OPENAI_MODEL names a model there.
"""

from __future__ import annotations

import os
from contextlib import aclosing

import pytest

from adapters.generation import GenerationRequest, Message
from adapters.remote.breaker import CircuitBreaker
from adapters.remote.budget import NoLimit
from adapters.remote.chat import ChatServer
from adapters.remote.endpoint import Endpoint, Timeouts
from adapters.remote.events import ServerEvent
from adapters.remote.generator import RemoteGenerator
from adapters.remote.voices import NoVoices

OPENAI_URL = os.environ.get("TEST_OPENAI_URL", "")
OPENAI_MODEL = os.environ.get("TEST_OPENAI_MODEL", "local")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not OPENAI_URL, reason="no TEST_OPENAI_URL"),
]

PROMPT = (
    Message("system", "Answer from the numbered evidence alone, in one short sentence with its number."),
    Message("user", "Evidence:\n[1] Visitors park in bay 14.\n\nQuestion: In which bay do visitors park?"),
)


async def test_a_third_partys_server_streams_an_answer_and_stops_when_it_is_left() -> None:
    events: list[ServerEvent] = []
    timeouts = Timeouts(first_token=300, idle=300)
    endpoint = Endpoint(OPENAI_URL, OPENAI_MODEL, None, timeouts)
    server = ChatServer(endpoint, CircuitBreaker(), events.append)
    generator = RemoteGenerator(server, NoVoices(OPENAI_MODEL), events.append, NoLimit())
    try:
        assert await server.models()
        request = GenerationRequest(PROMPT, max_new_tokens=24)
        pieces = [piece async for piece in generator.stream(request)]
        assert len(pieces) > 1
        assert "14" in "".join(pieces)
        async with aclosing(generator.stream(GenerationRequest(PROMPT, max_new_tokens=200))) as left:
            await anext(left)
        assert "".join([piece async for piece in generator.stream(request)]) == "".join(pieces)
    finally:
        await generator.close()
    assert [event.kind for event in events] == ["used", "used", "used"]
