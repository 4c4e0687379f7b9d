"""The vocabulary that platforms and the engine share, and the port through which a platform asks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

EVERYONE = "everyone"

# Held by every person, members of the team or not; a document for `public` may be read by guests too.
PUBLIC = "public"

Route = Literal["smalltalk", "knowledge", "abstain"]
SentenceAction = Literal["kept", "recited", "quoted", "noted", "dropped"]


@dataclass(frozen=True, slots=True)
class Asker:
    """The person who asks.

    `principals` are the names under which documents may be opened to this person: `everyone` for a member
    of the team, `public`, `user:U123`, `group:support`. A guest holds `public` alone.
    """

    id: str
    name: str = ""
    principals: frozenset[str] = frozenset({EVERYONE, PUBLIC})


@dataclass(frozen=True, slots=True)
class Place:
    """Where the answer will be read.

    `principals` are those that *every* reader of the place holds; None means that the asker alone reads
    the answer (a terminal, a direct message). `workspace` is the Slack team or the Discord server that the
    place belongs to.
    """

    platform: str
    id: str
    principals: frozenset[str] | None = None
    workspace: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier question of the conversation with the answer it got."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a question; it is read for this answer alone. `name` has the file's extension."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Question:
    """What one person asks in one place, with the conversation so far, oldest turn first."""

    id: str
    text: str
    asker: Asker
    place: Place
    history: tuple[Turn, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage that an answer rests on; `marker` is its number in the answer's text, as in `[1]`.

    `version` is the source's mark of the document as it was read at `indexed_at`; `modified_at` is the
    source's own date for the content, if it has one. `source` is the name of the source in the settings.
    """

    marker: int
    title: str
    heading: str
    uri: str
    url: str | None
    excerpt: str
    version: str
    indexed_at: datetime
    modified_at: datetime | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class ReadPassage:
    """A passage that was read for an answer, cited or not; `score` orders them, the best first."""

    title: str
    heading: str
    url: str | None
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class NearDocument:
    """A document offered when the bot abstains: perhaps the person finds it there."""

    title: str
    uri: str
    url: str | None


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """One sentence of an answer and what the verifier did with it; `support` is 0 to 1.

    "noted" is what the engine itself says of its sources: that they disagree, or may not hold the answer.
    """

    text: str
    markers: tuple[int, ...]
    support: float
    action: SentenceAction


@dataclass(frozen=True, slots=True)
class Voice:
    """The adapter that wrote an answer; the untouched base model is `base` with an empty hash."""

    name: str
    version: str
    hash: str


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds spent on each part of an answer; `first_text` counts from the question's arrival."""

    route: float = 0.0
    retrieve: float = 0.0
    generate: float = 0.0
    verify: float = 0.0
    first_text: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bot says, with everything a reader needs in order to trust it.

    `text` carries markers such as `[1]`, one for each entry of `citations`. `sentences` also lists those
    that were dropped; they are not in `text`. `confidence` is the probability that what was read holds the
    answer, 0 to 1.
    """

    id: str
    question: str
    standalone_question: str
    text: str
    route: Route
    citations: tuple[Citation, ...]
    nearest: tuple[NearDocument, ...]
    sentences: tuple[AnswerSentence, ...]
    voice: Voice
    model: str
    index_generation: int
    timings: Timings
    confidence: float = 0.0
    read: tuple[ReadPassage, ...] = ()

    @property
    def abstained(self) -> bool:
        """Whether the bot declined because its sources do not hold the answer."""
        return self.route == "abstain"


@dataclass(frozen=True, slots=True)
class Progress:
    """What the bot is doing now, in words for the asker: "Searching 1,240 passages".

    `reading` are the documents that are being read, once they are known.
    """

    text: str
    reading: tuple[NearDocument, ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A further piece of the answer's text that has been verified and will not be taken back."""

    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The last event of every answer; its text is the deltas joined."""

    answer: Answer


AnswerEvent = Progress | TextDelta | Answered


class QuestionRefusedError(Exception):
    """The question cannot be taken (empty, far too long); the message is one line for the person."""


class Answering(Protocol):
    """The port "answer this": what a platform needs from the engine."""

    def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        """Yield progress, verified text and last `Answered`.

        Closing the generator early cancels the work. Raises `QuestionRefusedError` before any event.
        """
        ...
