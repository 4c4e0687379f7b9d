"""How probable a model finds given replies: the measure of a voice that needs no judge and no generation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from adapters.chat import ChatTokenizer
from adapters.lesson import EncodedLesson, Lesson, encode_lesson


@dataclass(frozen=True, slots=True)
class ReplyLikelihood:
    """The natural logarithm of a reply's probability given its prompt, and how many tokens it has."""

    log_probability: float
    tokens: int


def reply_likelihoods(
    model: Any, tokenizer: ChatTokenizer, lessons: Sequence[Lesson], on_lesson: Callable[[], None]
) -> tuple[ReplyLikelihood, ...]:
    """Measure each lesson's reply, with the token that ends it, in the order of `lessons`.

    `on_lesson` is called after each and may raise, which ends the work. Prompts that begin alike are read
    one after the other, so that what they share is read once: with examples in the prompt that is most of it.
    """
    encoded = [encode_lesson(lesson, tokenizer) for lesson in lessons]
    found: dict[int, ReplyLikelihood] = {}
    reader = _Reader(model)
    for place in sorted(range(len(encoded)), key=lambda place: encoded[place].tokens):
        found[place] = reader.read(encoded[place])
        on_lesson()
    return tuple(found[place] for place in range(len(encoded)))


def per_token(likelihoods: Sequence[ReplyLikelihood]) -> float:
    """The mean log-probability of a reply's token, in nats."""
    return sum(one.log_probability for one in likelihoods) / sum(one.tokens for one in likelihoods)


class _Reader:
    """A model with the keys and values of the last lesson's tokens; the next reuses what it shares."""

    def __init__(self, model: Any) -> None:
        from transformers import DynamicCache

        self._model = model
        self._cache: Any = DynamicCache()
        self._read: tuple[int, ...] = ()

    def read(self, lesson: EncodedLesson) -> ReplyLikelihood:
        import torch

        tokens, length = lesson.tokens, lesson.reply_length
        pairs = zip(self._read, tokens[: -length - 1], strict=False)
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        self._cache.crop(shared - len(self._read))
        with torch.inference_mode():
            logits = self._model(
                input_ids=torch.tensor([tokens[shared:]]),
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=length + 1,
            ).logits[0, :-1]
            chosen = torch.tensor(tokens[-length:]).unsqueeze(1)
            found = logits.float().log_softmax(dim=-1).gather(1, chosen).sum()
        self._read = tokens
        return ReplyLikelihood(float(found), length)
