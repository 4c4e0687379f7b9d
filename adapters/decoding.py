"""Greedy decoding, and the text of an answer as it grows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.chat import TokenDecoder

# A long prompt is read in pieces, so that a cancelled request need not be read to its end.
PREFILL_TOKENS = 512

# Drafts grow while they are right, and shrink when they are not.
FIRST_DRAFT = 4
LONGEST_DRAFT = 10

_WORD_IN_PROGRESS = re.compile(r"\S{1,64}\Z")


def greedy_tokens(
    model: Any,
    prompt: Sequence[int],
    max_new_tokens: int,
    ends: frozenset[int],
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[int]:
    """Yield the most probable tokens after `prompt`, until one of `ends`, the limit or `cancelled()`.

    An answer that quotes its prompt is read ahead: where its last tokens stand earlier in the text, those
    that followed there are checked in one run of the model, and the right ones cost no run of their own.
    The tokens stay those of plain greedy decoding (speculative decoding, Leviathan et al. 2023, arXiv
    2211.17192; drafts from the prompt, https://github.com/apoorvumang/prompt-lookup-decoding). Between
    two steps of the iterator the model runs once at most; whoever stops iterating stops it.
    """
    import torch
    from transformers import DynamicCache

    def read(tokens: Sequence[int], positions: int) -> list[int]:
        """Read `tokens`, and say what should follow each of the last `positions` of them."""
        with torch.inference_mode():
            logits = model(
                input_ids=torch.tensor([tokens]),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=positions,
            ).logits
            following: list[int] = logits[0].argmax(dim=-1).tolist()
            return following

    if max_new_tokens < 1:
        return
    cache = DynamicCache()
    text = list(prompt)
    ready: list[int] = []
    for start in range(0, len(text), PREFILL_TOKENS):
        if cancelled():
            return
        ready = read(text[start : start + PREFILL_TOKENS], 1)
    reach, limit = FIRST_DRAFT, len(prompt) + max_new_tokens
    while True:
        for token in ready:
            if token in ends or cancelled():
                return
            yield token
            text.append(token)
        if len(text) == limit:
            return
        draft = draft_from(text, min(reach, limit - len(text) - 1))
        following = read([text[-1], *draft], len(draft) + 1)
        right = next((place for place, token in enumerate(draft) if token != following[place]), len(draft))
        cache.crop(right - len(draft))
        ready = following[: right + 1]
        if draft:
            reach = min(reach + 2, LONGEST_DRAFT) if right == len(draft) else right + 1


def draft_from(text: list[int], length: int) -> list[int]:
    """At most `length` tokens that followed the last three or two of `text` where they stood before."""
    for size in (3, 2):
        tail = text[-size:]
        for start in range(len(text) - size - 1, -1, -1):
            if text[start : start + size] == tail:
                return text[start + size : start + size + length]
    return []


class AnswerText:
    """Turns tokens into pieces of text that end at word boundaries, and ends at a stop string."""

    def __init__(self, decoder: TokenDecoder, stop: tuple[str, ...]) -> None:
        self._decoder = decoder
        self._stop = tuple(text for text in stop if text)
        self._held = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """The text that may be shown now; `stopped` is true once a stop string was complete."""
        self._held += self._decoder.push(token)
        found = [place for text in self._stop if (place := self._held.find(text)) >= 0]
        if found:
            self.stopped = True
            self._held = self._held[: min(found)]
            return self.finish()
        cut = min((self._word_start(), *(self._stop_start(text) for text in self._stop)))
        piece, self._held = self._held[:cut], self._held[cut:]
        return piece

    def finish(self) -> str:
        """The text that was still held back."""
        piece, self._held = self._held, ""
        return piece

    def _word_start(self) -> int:
        word = _WORD_IN_PROGRESS.search(self._held)
        return len(self._held) if word is None or len(word[0]) == 64 else word.start()

    def _stop_start(self, stop: str) -> int:
        for length in range(min(len(stop) - 1, len(self._held)), 0, -1):
            if self._held.endswith(stop[:length]):
                return len(self._held) - length
        return len(self._held)
