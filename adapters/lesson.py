"""What a training works with: lessons, hyperparameters, and what it tells of itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from adapters.chat import ChatTokenizer
from adapters.generation import Message


@dataclass(frozen=True, slots=True)
class Lesson:
    """One prompt and the reply that the adapter shall learn to give to it."""

    messages: tuple[Message, ...]
    reply: str


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """How an adapter is trained.

    `rank`, `alpha`: of plain LoRA on every linear layer (Hu et al. 2021, arXiv 2106.09685). `batch` lessons
    make one optimizer step. The learning rate rises over `warmup` (a share of all steps) and falls to zero
    along a cosine. Training ends early when the held-out loss has not improved for `patience` evaluations,
    of which an epoch has `evaluations`.
    """

    rank: int = 16
    alpha: int = 32
    learning_rate: float = 4e-4
    epochs: float = 3.0
    batch: int = 8
    warmup: float = 0.05
    weight_decay: float = 0.0
    evaluations: int = 2
    patience: int = 3
    seed: int = 1

    def as_fields(self) -> dict[str, float | int]:
        """The values by name, as a voice card keeps them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Loss:
    """Mean negative log-likelihood of a reply's token, in nats, after `step` optimizer steps."""

    step: int
    value: float


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where a training is: losses are None until the first was measured; times in seconds."""

    step: int
    steps: int
    loss: float | None
    held_out_loss: float | None
    seconds: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class EncodedLesson:
    """The tokens of a lesson: the prompt's and then the reply's, which are the last `reply_length`."""

    tokens: tuple[int, ...]
    reply_length: int


def encode_lesson(lesson: Lesson, tokenizer: ChatTokenizer) -> EncodedLesson:
    """The lesson as tokens, the reply with the mark that ends it."""
    reply = tokenizer.encode_reply(lesson.reply)
    return EncodedLesson((*tokenizer.encode(lesson.messages), *reply), len(reply))
