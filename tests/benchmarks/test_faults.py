"""What the benchmarks of load and faults rest on: a network that is cut, a model that quotes, fates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from benchmarks.faults.chats import Question, Seen
from benchmarks.faults.office import ROOMS, Room
from benchmarks.faults.relay import Relay, relay_to
from benchmarks.live.model import spoken

SECONDS = 30.0


@asynccontextmanager
async def echoing() -> AsyncIterator[int]:
    """A server that says what it hears, on a port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while heard := await reader.read(100):
            writer.write(heard)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def said_back(relay: Relay, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(text)
    try:
        return await reader.read(100)
    finally:
        writer.close()


async def test_a_relay_passes_on_in_both_directions() -> None:
    async with echoing() as port, relay_to(port) as relay:
        assert await said_back(relay, b"hello") == b"hello"


async def test_while_it_refuses_no_connection_stands_and_afterwards_its_port_is_the_same() -> None:
    async with echoing() as port, relay_to(port) as relay:
        before = relay.port
        reader, _ = await asyncio.open_connection("127.0.0.1", relay.port)
        await asyncio.sleep(0)
        await said_back(relay, b"hello")
        await relay.refuse()
        with pytest.raises(OSError):
            await said_back(relay, b"hello")
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(100), SECONDS) == b""
        await relay.open()
        assert relay.port == before
        assert await said_back(relay, b"hello") == b"hello"


async def test_while_it_is_silent_connections_are_taken_and_nothing_comes_back() -> None:
    async with echoing() as port, relay_to(port) as relay:
        relay.be_silent()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(said_back(relay, b"hello"), 0.2)
        relay.be_heard()
        assert await said_back(relay, b"hello") == b"hello"


class Screen:
    """A chat that shows what a test wants seen."""

    name = "screen"

    def __init__(self, *seen: Seen) -> None:
        self._seen = seen

    async def ask(self, room: Room) -> Question:
        return Question(room, self, "1")

    def seen(self, message: str) -> Sequence[Seen]:
        return self._seen


RIGHT, OTHER = (Seen(f"The code is {room.code}.", True) for room in ROOMS[:2])
LINE = Seen("Something went wrong.", False)


@pytest.mark.parametrize(
    ("seen", "fate", "doubled"),
    [
        ((), "lost", False),
        ((Seen(" ", False),), "lost", False),
        ((LINE,), "told", False),
        ((RIGHT,), "right", False),
        ((OTHER,), "wrong", False),
        ((RIGHT, RIGHT), "right", True),
        ((RIGHT, OTHER), "wrong", True),
        ((LINE, RIGHT), "right", True),
    ],
)
async def test_the_fate_of_a_question_is_what_a_person_sees_of_it(
    seen: tuple[Seen, ...], fate: str, doubled: bool
) -> None:
    question = await Screen(*seen).ask(ROOMS[0])
    assert (question.fate, question.is_doubled) == (fate, doubled)


def test_the_model_says_the_first_evidence_and_cites_it() -> None:
    evidence = "Evidence:\n[1] Rooms > Door: The code is 4711. It is new.\n[2] It is old.\n\nQuestion: Which?"
    assert "".join(spoken([{"role": "user", "content": evidence}])) == "The code is 4711 [1]."
