"""A model on a server answers over real HTTP, and every way in which it can fail ends in one clear error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from email.utils import formatdate
from typing import ClassVar

import pytest

from adapters.generation import GenerationError, GenerationRequest, Message
from adapters.remote.breaker import CircuitBreaker, CircuitOpenError
from adapters.remote.budget import NoLimit
from adapters.remote.chat import ChatServer
from adapters.remote.endpoint import Endpoint, Timeouts
from adapters.remote.events import ServerEvent
from adapters.remote.generator import RemoteGenerator
from adapters.remote.voices import NoVoices
from tests.servers.model_server import (
    BASE,
    ModelServer,
    breaking,
    hanging,
    refusing,
    saying,
    sending,
    serving,
)

REQUEST = GenerationRequest((Message("system", "Be brief."), Message("user", "When?")), max_new_tokens=20)
KEY = "sk-very-secret"


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with serving(ModelServer()) as running:
        yield running


@pytest.fixture(autouse=True)
async def nothing_left_open() -> AsyncIterator[None]:
    yield
    while Asking.made:
        await Asking.made.pop().generator.close()


class Asking:
    """A generator for a server, with what it told of itself."""

    made: ClassVar[list[Asking]] = []

    def __init__(
        self, url: str, retries: int = 2, breaker: CircuitBreaker | None = None, **times: float
    ) -> None:
        timeouts = Timeouts(**{"connect": 5.0, "first_token": 30.0, "idle": 30.0, **times})
        self.events: list[ServerEvent] = []
        endpoint = Endpoint(url, BASE, KEY, timeouts, retries)
        server = ChatServer(endpoint, breaker or CircuitBreaker(), self.events.append)
        self.generator = RemoteGenerator(server, NoVoices(BASE), self.events.append, NoLimit())
        self.made.append(self)

    async def text(self) -> str:
        return "".join([piece async for piece in self.generator.stream(REQUEST)])

    async def heard_before(self, reason: str) -> str:
        """What came before an error that gives this reason."""
        heard = ""
        with pytest.raises(GenerationError, match=reason):
            async for piece in self.generator.stream(REQUEST):
                heard += piece
        return heard

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


async def test_an_answer_is_streamed_and_its_tokens_are_told(server: ModelServer) -> None:
    asking = Asking(server.url)
    assert await asking.text() == "The shop opens at 9 [1]."
    assert asking.events == [ServerEvent("used", BASE, voice=BASE, prompt_tokens=40, reply_tokens=7)]
    asked = server.asked[0]
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "When?"},
    ]
    assert (asked["model"], asked["max_tokens"], asked["temperature"]) == (BASE, 20, 0.0)
    assert server.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize("size", [1, 3, 7, 64])
async def test_chunks_may_end_anywhere_in_a_letter(server: ModelServer, size: int) -> None:
    server.behaviours.append(saying("Größe „klein“ ", "kostet 5 €.", bytes_a_write=size))
    assert await Asking(server.url).text() == "Größe „klein“ kostet 5 €."


async def test_without_a_count_of_the_servers_own_tokens_are_estimated(server: ModelServer) -> None:
    server.usage = None
    asking = Asking(server.url)
    await asking.text()
    assert asking.events[-1].prompt_tokens > 0
    assert asking.events[-1].reply_tokens > 0


async def test_what_is_too_busy_is_asked_again_when_it_says(server: ModelServer) -> None:
    server.behaviours.append(refusing(429, "slow down", retry_after="0.3"))
    asking = Asking(server.url)
    began = time.monotonic()
    assert await asking.text() == "The shop opens at 9 [1]."
    assert time.monotonic() - began >= 0.3
    assert asking.kinds == ["retried", "used"]


async def test_a_wait_beyond_the_time_for_the_first_token_is_not_waited(server: ModelServer) -> None:
    server.behaviours.append(refusing(429, "come back later", retry_after=formatdate(time.time() + 3600)))
    assert await Asking(server.url).heard_before("429: come back later") == ""
    assert len(server.asked) == 1


async def test_failures_before_the_first_word_are_tried_again(server: ModelServer) -> None:
    server.behaviours += [refusing(500, "out of memory"), breaking()]
    asking = Asking(server.url)
    assert await asking.text() == "The shop opens at 9 [1]."
    assert asking.kinds == ["retried", "retried", "used"]


async def test_after_so_many_tries_it_fails_with_the_last_reason(server: ModelServer) -> None:
    server.behaviours += [refusing(503, "loading"), refusing(503, "still loading")]
    asking = Asking(server.url, retries=1)
    assert await asking.heard_before("The model large at http.*503: still loading") == ""
    assert asking.kinds == ["retried", "failed"]


async def test_what_is_wrong_with_the_request_is_not_sent_again(server: ModelServer) -> None:
    server.behaviours.append(refusing(401, f"Incorrect API key provided: {KEY}"))
    asking = Asking(server.url)
    await asking.heard_before("401: Incorrect API key provided: …")
    assert len(server.asked) == 1
    assert KEY not in str(asking.events)


async def test_a_server_that_never_begins_is_given_up(server: ModelServer) -> None:
    server.behaviours.append(hanging())
    await Asking(server.url, first_token=0.3).heard_before("has not begun within 0.3 s")
    assert len(server.asked) <= 1


async def test_a_server_that_says_only_who_speaks_has_not_begun(server: ModelServer) -> None:
    server.behaviours.append(hanging(""))
    await Asking(server.url, first_token=0.3).heard_before("has not begun")


async def test_a_server_that_stops_half_way_is_given_up_and_not_asked_again(server: ModelServer) -> None:
    server.behaviours.append(hanging("The shop "))
    assert await Asking(server.url, idle=0.3).heard_before("stopped half-way") == "The shop "
    async with asyncio.timeout(30):
        await server.hung_up.wait()
    assert len(server.asked) == 1


async def test_a_connection_that_is_reset_half_way_is_an_error(server: ModelServer) -> None:
    server.behaviours.append(breaking("The shop "))
    assert await Asking(server.url).heard_before("did not answer") == "The shop "


async def test_a_stream_that_is_cut_off_is_no_whole_answer(server: ModelServer) -> None:
    server.behaviours.append(saying("The shop opens", ends=None))
    assert await Asking(server.url).heard_before("broke off") == "The shop opens"


@pytest.mark.parametrize(
    "line",
    [
        "data: {not json",
        "data: [1, 2]",
        'data: {"choices": [{"index": 0}]}',
        'data: {"choices": "none"}',
        'data: {"choices": [{"index": 0, "delta": {"content": {"a": 1}}}]}',
        'data: {"error": {"message": "the engine died"}}',
    ],
)
async def test_what_is_no_chat_completion_is_an_error(server: ModelServer, line: str) -> None:
    server.behaviours.append(sending(line))
    await Asking(server.url, retries=0).heard_before("The model large at http")


async def test_a_server_that_writes_without_end_is_cut_off(server: ModelServer) -> None:
    server.behaviours.append(saying(*["word " * 100] * 50))
    assert len(await Asking(server.url).text()) <= 20 * 32


async def test_closing_early_closes_the_connection(server: ModelServer) -> None:
    server.behaviours.append(hanging("The shop ", "opens "))
    asking = Asking(server.url)
    async with aclosing(asking.generator.stream(REQUEST)) as pieces:
        await anext(pieces)
    async with asyncio.timeout(30):
        await server.hung_up.wait()
    assert asking.kinds == ["used"]


async def test_cancelling_closes_the_connection(server: ModelServer) -> None:
    server.behaviours.append(hanging())
    task = asyncio.create_task(Asking(server.url).text())
    while not server.asked:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(30):
        await server.hung_up.wait()


async def test_options_that_a_model_refuses_by_name_are_left_out_from_then_on(server: ModelServer) -> None:
    server.behaviours += [
        refusing(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        refusing(400, "Unsupported value: 'temperature' does not support 0.0 with this model."),
    ]
    asking = Asking(server.url)
    assert await asking.text() == await asking.text()
    assert asking.kinds == ["used", "used"]
    for asked in server.asked[2:]:
        assert asked["max_completion_tokens"] == 20
        assert not {"max_tokens", "temperature"} & asked.keys()


async def test_nothing_that_listens_is_an_error_that_names_the_address() -> None:
    async with serving(ModelServer()) as gone:
        url = gone.url
    await Asking(url, retries=0).heard_before(f"The model large at {url} did not answer .*connection failed")


async def test_a_server_that_keeps_failing_is_left_alone_and_then_tried(server: ModelServer) -> None:
    now = [0.0]
    breaker = CircuitBreaker(failures=2, seconds=30, clock=lambda: now[0])
    server.behaviours += [refusing(500, "broken")] * 3
    asking = Asking(server.url, retries=0, breaker=breaker)
    for _ in range(2):
        await asking.heard_before("500: broken")
    with pytest.raises(CircuitOpenError, match=r"500: broken.*tried again in 30 s"):
        await asking.text()
    assert len(server.asked) == 2
    now[0] = 31.0
    await asking.heard_before("500: broken")
    with pytest.raises(CircuitOpenError):
        await asking.text()
    now[0] = 62.0
    assert await asking.text()
    assert await asking.text()
    opened = [kind for kind in asking.kinds if kind.startswith("circuit")]
    assert opened == ["circuit opened", "circuit closed"]


async def test_a_generator_may_be_used_in_one_loop_after_another(server: ModelServer) -> None:
    asking = Asking(server.url)

    def in_a_loop_of_its_own() -> str:
        return asyncio.run(asking.text())

    first = await asyncio.to_thread(in_a_loop_of_its_own)
    assert first == await asyncio.to_thread(in_a_loop_of_its_own)
