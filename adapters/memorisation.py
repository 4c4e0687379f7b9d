"""How much of what a model says stands word for word in what it was trained on, and not in its prompt."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

NGRAM = 8

# A phrase that so many texts share is the voice's manner, as the words are with which it declines.
_MANNER = 4
_MARKER = re.compile(r"\[\d{1,3}(?:\s?[,;–-]\s?\d{1,3}){0,9}\]")
_WORD = re.compile(r"[^\W_]+(?:['’.:,-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Memorisation:
    """`share` of the replies' n-grams that are recited; the longest run of words that is, and its text."""

    share: float
    longest: int
    recited: str


class TrainingText:
    """The words of a voice's training texts, in which those of replies are looked for.

    Overlap of n-grams with the training text is how recitation by language models is counted (Carlini et al.
    2023, "Quantifying Memorization Across Neural Language Models", arXiv 2202.07646); what stands in the
    prompt is no recitation, for the model is asked to say it, and what `_MANNER` texts share is no memory of
    one of them.
    """

    def __init__(self, texts: Iterable[str], size: int = NGRAM) -> None:
        listed = [_words(text) for text in texts]
        self._size = size
        held = Counter(ngram for words in listed for ngram in set(_ngrams(words, size)))
        self._ngrams = {ngram for ngram, number in held.items() if number < _MANNER}
        # A line break keeps a run from going on in the next text.
        self._text = "\n".join(f" {' '.join(words)} " for words in listed)

    def memorised(self, replies: Sequence[tuple[str, str]]) -> Memorisation:
        """Measure replies, each given with the text of its prompt."""
        recited = total = 0
        longest: Sequence[str] = ()
        for reply, prompt in replies:
            words, asked = _words(reply), _words(prompt)
            known = set(_ngrams(asked, self._size))
            ngrams = list(_ngrams(words, self._size))
            total += len(ngrams)
            recited += sum(ngram in self._ngrams and ngram not in known for ngram in ngrams)
            longest = max(longest, self._longest(words, f" {' '.join(asked)} "), key=len)
        return Memorisation(recited / total if total else 0.0, len(longest), " ".join(longest))

    def _longest(self, words: Sequence[str], prompt: str) -> Sequence[str]:
        """The longest run of `words` that stands in the training text and not in the prompt."""
        longest: Sequence[str] = ()
        start = 0
        for end in range(1, len(words) + 1):
            while start < end and f" {' '.join(words[start:end])} " not in self._text:
                start += 1
            run = words[start:end]
            if len(run) > len(longest) and f" {' '.join(run)} " not in prompt:
                longest = run
        return longest


def _words(text: str) -> list[str]:
    return _WORD.findall(_MARKER.sub(" ", text).lower().replace("’", "'"))


def _ngrams(words: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    return (tuple(words[start : start + size]) for start in range(len(words) - size + 1))
