"""The port of generation: messages, adapter and limits in, a stream of text out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

BASE = "base"


class GenerationError(Exception):
    """The model could not answer; the message is one line that names the cause and the fix."""


class GeneratorBusyError(GenerationError):
    """As many requests wait as may."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat, as chat templates know it."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class AdapterVersion:
    """One immutable version of an adapter; `hash` covers weights and LoRA settings.

    `colour` are words that carry this voice and claim nothing. `skill` is the reference of the adapter that a
    voice was first trained from, "" for one that is no child of another. The base model without an adapter is
    named `base` and has an empty version and hash.
    """

    name: str
    version: str
    hash: str
    colour: tuple[str, ...] = ()
    skill: str = ""

    @property
    def reference(self) -> str:
        """What a `GenerationRequest` names so that exactly this version answers, whatever is current then."""
        return f"{self.name}@{self.version}" if self.version else self.name


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What to generate: greedy decoding, at most `max_new_tokens` tokens, ending early at any stop string.

    `adapter` is a name, whose current version answers, or the `reference` of a version. `on_speaker` is told
    when another model speaks than `Generator.model`, or another version, before its first piece.
    """

    messages: tuple[Message, ...]
    adapter: str = BASE
    max_new_tokens: int = 160
    stop: tuple[str, ...] = ()
    on_speaker: Callable[[str, AdapterVersion], None] | None = field(default=None, repr=False)


class Generator(Protocol):
    """A language model that can speak through adapters."""

    @property
    def model(self) -> str:
        """The base model's name, as an answer shows it."""
        ...

    @property
    def ready(self) -> bool:
        """Whether the model can answer at once, or has to be loaded first."""
        ...

    @property
    def queue_number(self) -> int:
        """The number that a new request would have in the queue; 0 when it begins at once."""
        ...

    def resolve(self, adapter: str) -> AdapterVersion:
        """The version that `adapter` names now. Raises `GenerationError` when there is none."""
        ...

    def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Yield text as it is generated. Closing the generator early stops the model's work.

        Raises `GenerationError`.
        """
        ...

    def count_tokens(self, messages: tuple[Message, ...]) -> int:
        """How many tokens the prompt takes with the model's own chat template."""
        ...

    async def close(self) -> None:
        """Stop the work and free the model."""
        ...
