"""What may be read ahead of an answer, and its text as it grows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.chat import TokenDecoder

# A long prompt is read in pieces, so that a cancelled request need not be read to its end.
PREFILL_TOKENS = 512

# Drafts grow while they are right, and shrink when they are not.
FIRST_DRAFT = 4
LONGEST_DRAFT = 10

_WORD_IN_PROGRESS = re.compile(r"\S{1,64}\Z")


def draft_from(text: list[int], length: int) -> list[int]:
    """At most `length` tokens that followed the last three or two of `text` where they stood before.

    An answer that quotes its prompt is read ahead with them: those that the model would have said too cost no
    run of their own (speculative decoding, Leviathan et al. 2023, arXiv 2211.17192; drafts from the prompt,
    https://github.com/apoorvumang/prompt-lookup-decoding).
    """
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
