"""What a platform needs of the hall: the ports through which a connector works."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from connectors.commands import Command
from connectors.conversation import Answer, Answering, Asker, Place, Progress, Question, Turn
from connectors.presence import Presence

Mode = Literal["mention", "auto", "off"]
Named = Literal["sources", "adapters"]
Fault = Literal["wrong", "outdated", "missing", "tone"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A thing to be done that a platform delivered, perhaps several times and to several processes.

    `key` is the same in every delivery and for every event that the same message raises. `payload` is JSON:
    what the connector needs to do it after a restart.
    """

    key: str
    platform: str
    payload: Mapping[str, Any]


class Inbox(Protocol):
    """Who does what: durable, and shared by every process that uses the same journal."""

    async def take(self, delivery: Delivery) -> bool:
        """Whether this process is to do it. Durable: it is then done, here or after a crash elsewhere."""
        ...

    async def finish(self, key: str) -> None:
        """It is done, or a person was told why not; nobody takes it up again."""
        ...

    async def holds(self, key: str) -> bool:
        """Whether it is still this process's, not taken over by one that thought this one dead."""
        ...

    async def release(self, key: str) -> None:
        """It was left alone without a word; who asks for it again may have it."""
        ...

    async def abandoned(self, platform: str) -> tuple[Delivery, ...]:
        """What processes took that have since died, oldest first; it is this process's now."""
        ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a person thinks of an answer; `fault` and `better` come with a thumb down, if at all."""

    helpful: bool
    fault: Fault | None = None
    better: str = ""


@dataclass(frozen=True, slots=True)
class Remembered:
    """An answer that was given: in which conversation, and who asked."""

    answer: Answer
    conversation: str
    asker: str
    place: Place


class Memory(Protocol):
    """What was asked, answered and judged. A `conversation` is named as the platform names its thread."""

    async def history(self, conversation: str) -> tuple[Turn, ...]:
        """The last turns of a conversation, oldest first."""
        ...

    async def takes_part(self, conversation: str) -> bool:
        """Whether an answer was given in a conversation."""
        ...

    async def remember(self, conversation: str, question: Question, answer: Answer) -> None:
        """Keep an answer that was shown."""
        ...

    async def recall(self, answer_id: str) -> Remembered | None:
        """An answer by its id; None when it is not kept (any more)."""
        ...

    async def judge(self, answer_id: str, who: str, judgement: Judgement) -> None:
        """Keep a person's judgement; the last one counts. `who` is as in `slack:U123`."""
        ...


class Manners(Protocol):
    """How the bot behaves in a place."""

    async def mode(self, place: Place) -> Mode:
        """Whether it answers when mentioned, of itself when it is sure, or never."""
        ...

    async def is_quiet(self, conversation: str) -> bool:
        """Whether it was told to be quiet in a conversation until somebody wakes it."""
        ...

    def expert(self, source: str) -> str | None:
        """The person or group to ask about a source, as the settings name it: `user:U123`, `group:S123`."""
        ...


@dataclass(frozen=True, slots=True)
class Administered:
    """The last event of every command: what was done or found, or why not, in Markdown."""

    text: str
    refused: bool = False


AdminEvent = Progress | Administered


class Administering(Protocol):
    """The port "administer this"."""

    def administer(
        self, command: Command, asker: Asker, place: Place, conversation: str
    ) -> AsyncGenerator[AdminEvent, None]:
        """Yield progress and last `Administered`; closing the generator early cancels the work.

        Never raises for what a person did: a command that is refused or fails ends in `Administered` too.
        """
        ...

    def is_admin(self, asker: Asker) -> bool:
        """Whether this person may give commands that change something."""
        ...

    async def names(self, of: Named, asker: Asker) -> tuple[str, ...]:
        """The names that commands take; none for those who may not give commands."""
        ...


@dataclass(frozen=True, slots=True)
class KnownSource:
    """A source that the asker may read, with its counts and its health in words."""

    name: str
    documents: int
    last_sync: datetime | None
    health: str


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a person sees before asking. `suggestions` are questions that the index answers.

    `failures` are, for admins alone, the last syncs and documents that failed, a line each.
    """

    sources: tuple[KnownSource, ...]
    passages: int
    suggestions: tuple[str, ...]
    voice: str
    failures: tuple[str, ...] | None = None


class Welcoming(Protocol):
    """The port behind a platform's home page."""

    async def welcome(self, asker: Asker, place: Place) -> Welcome:
        """What the bot knows for this person. Suggestions are asked of the index before they are shown."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """All that a connector is given."""

    answering: Answering
    administering: Administering
    inbox: Inbox
    memory: Memory
    manners: Manners
    welcoming: Welcoming
    presence: Presence = field(default_factory=Presence)
