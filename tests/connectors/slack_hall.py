"""A hall for the Slack connector: the real inbox, memory and manners, and an engine that follows a script."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slack_platform import SlackPlatform
from sqlalchemy.engine import URL

from bot.inbox import Inbox
from bot.journal import Journal
from bot.manners import Manners
from bot.memory import Memory
from connectors.commands import Command, Reindex
from connectors.conversation import (
    Answer,
    Answered,
    AnswerEvent,
    Asker,
    Citation,
    NearDocument,
    Place,
    Progress,
    Question,
    ReadPassage,
    TextDelta,
    Timings,
    Voice,
)
from connectors.ports import AdminEvent, Administered, KnownSource, Named, Ports, Welcome
from connectors.slack.app import SlackOptions
from connectors.slack.running import SlackService

WHEN = datetime(2026, 3, 1, 9, tzinfo=UTC)
HANDBOOK = "https://docs.example.com/handbook"
TEXT = "Visitors park in row C [1]. The barrier opens with code 4711 [1]."

Script = Callable[[Question], AsyncGenerator[AnswerEvent, None]]


def answer_to(question: Question, text: str = TEXT, **changes: Any) -> Answer:
    """An answer that cites the handbook."""
    citation = Citation(
        1, "Handbook", "Parking", "handbook.md", HANDBOOK, "Row C.", "v1", WHEN, WHEN, "office"
    )
    answer = Answer(
        id=uuid.uuid4().hex,
        question=question.text,
        standalone_question=question.text,
        text=text,
        route="knowledge",
        citations=(citation,),
        nearest=(),
        sentences=(),
        voice=Voice("base", "", ""),
        model="scripted",
        index_generation=7,
        timings=Timings(total=0.4),
        confidence=0.9,
        read=(ReadPassage("Handbook", "Parking", HANDBOOK, "Visitors park in row C.", 0.8),),
    )
    return replace(answer, **changes)


async def speak(question: Question, answer: Answer) -> AsyncGenerator[AnswerEvent, None]:
    """What the engine says for an answer: progress, the text in sentences, and the answer."""
    yield Progress("Searching 1,240 passages")
    yield Progress("Reading 1 passage", (NearDocument("Handbook", "handbook.md", HANDBOOK),))
    for sentence in answer.text.replace("]. ", "]. \n").split("\n"):
        yield TextDelta(sentence)
    yield Answered(answer)


async def answers(question: Question) -> AsyncGenerator[AnswerEvent, None]:
    """The default script."""
    async for event in speak(question, answer_to(question)):
        yield event


class ScriptedEngine:
    """The port `Answering`, with what it was asked."""

    def __init__(self) -> None:
        self.script: Script = answers
        self.asked: list[Question] = []
        self.at_work = 0
        self.most_at_work = 0

    async def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        self.asked.append(question)
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            async for event in self.script(question):
                yield event
        finally:
            self.at_work -= 1


class Gate:
    """A script that waits until something was found, and in the middle of its text until it is opened."""

    def __init__(self) -> None:
        self.found, self.opened = asyncio.Event(), asyncio.Event()
        self.found.set()

    async def script(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        answer = answer_to(question)
        first, rest = answer.text.split(". ", 1)
        yield Progress("Searching 1,240 passages")
        await self.found.wait()
        yield Progress("Reading 1 passage", (NearDocument("Handbook", "handbook.md", HANDBOOK),))
        yield TextDelta(f"{first}. ")
        await self.opened.wait()
        yield TextDelta(rest)
        yield Answered(answer)


class ScriptedAdministering:
    """The port `Administering`: admins are workspace admins; a reindex goes on until it is let go.

    A `silent` one shows no progress.
    """

    def __init__(self) -> None:
        self.silent = False
        self.given: list[tuple[Command, Asker, Place, str]] = []
        self.done = asyncio.Event()
        self.broken_off = 0

    async def administer(
        self, command: Command, asker: Asker, place: Place, conversation: str
    ) -> AsyncGenerator[AdminEvent, None]:
        self.given.append((command, asker, place, conversation))
        if isinstance(command, Reindex) and not self.is_admin(asker):
            yield Administered("Only admins may do that: ask workspace-admins.", refused=True)
            return
        if isinstance(command, Reindex):
            try:
                number = 0
                while not self.done.is_set():
                    number += 1
                    if not self.silent:
                        yield Progress(f"{number} of 800 documents")
                    await asyncio.sleep(0.02)
            except GeneratorExit:
                self.broken_off += 1
                raise
            except asyncio.CancelledError:
                self.broken_off += 1
                raise
        yield Administered(f"Done: {type(command).__name__}")

    def is_admin(self, asker: Asker) -> bool:
        return not asker.principals.isdisjoint(("workspace-admins", "guild-admins"))

    async def names(self, of: Named, asker: Asker) -> tuple[str, ...]:
        known = {"sources": ("office", "wiki"), "adapters": ("base", "grounded@1", "warm@2")}
        return known[of] if self.is_admin(asker) else ()


class ScriptedWelcoming:
    """The port `Welcoming`."""

    async def welcome(self, asker: Asker, place: Place) -> Welcome:
        failures = ("office: 2 documents failed",) if "workspace-admins" in asker.principals else None
        source = KnownSource("office", 12, WHEN, "current")
        return Welcome((source,), 1240, ("Where do visitors park?",), "base", failures)


@dataclass
class Lines:
    """A log that keeps its lines."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    def info(self, event: str, /, **fields: Any) -> None:
        self.lines.append({"level": "info", "event": event, **fields})

    def warning(self, event: str, /, **fields: Any) -> None:
        self.lines.append({"level": "warning", "event": event, **fields})

    def error(self, event: str, /, **fields: Any) -> None:
        self.lines.append({"level": "error", "event": event, **fields})

    def of(self, level: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["level"] == level]


class Hall:
    """The ports over one journal file."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.journal = Journal(URL.create("sqlite", database=str(folder / "journal.sqlite")))
        self.log = Lines()
        self.engine = ScriptedEngine()
        self.administering = ScriptedAdministering()
        self.inbox = Inbox(self.journal.database, lambda line: self.log.warning(line))
        self.manners = Manners(self.journal, {}, {"office": "user:U0EXPERT"})
        self.memory = Memory(self.journal.database)
        self.options = options

    @property
    def ports(self) -> Ports:
        return Ports(
            self.engine, self.administering, self.inbox, self.memory, self.manners, ScriptedWelcoming()
        )

    def service(self, api_url: str) -> SlackService:
        options = SlackOptions(**{"reaction": "question", "api_url": api_url, **self.options})
        return SlackService(self.ports, options, self.log)

    @asynccontextmanager
    async def connected(self, platform: SlackPlatform) -> AsyncIterator[asyncio.Task[None]]:
        """The connector over Socket Mode for the block; told to end, it sees what has begun through."""
        service, team = self.service(platform.api_url), platform.team
        run = service.run_socket(team.token, platform.app_token, ping_seconds=0.2)
        async with self.working(run, platform.connected()) as running:
            yield running

    @asynccontextmanager
    async def working(
        self, run: Coroutine[Any, Any, None], connected: Coroutine[Any, Any, None]
    ) -> AsyncIterator[asyncio.Task[None]]:
        """A connector and the inbox for the block, which begins when it is connected or has failed."""
        living = asyncio.create_task(self.inbox.run())
        running = asyncio.create_task(run)
        try:
            waiting = asyncio.create_task(connected)
            await asyncio.wait({waiting, running}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                waiting.cancel()
                await running
            yield running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)

    def close(self) -> None:
        self.inbox.close()
        self.journal.close()
