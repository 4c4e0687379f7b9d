"""What documents may write instead of a question's words: right spellings, joined and split words, numbers.

Only passages that the reader may see have a say, so that no word of another passage shows in what is found.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from knowledge.lexical import LexicalIndex
from knowledge.reading import CatalogReader
from knowledge.spelling import common_words, near_spellings
from knowledge.terms import STOP_WORDS, content_words, stem, tokens

# A question with more words that no passage holds is in another language, or no question.
_MOST_UNKNOWN = 8
_MOST_TOKENS = 64
_CORRECTIONS = 2
# How many passages are read to see whether two words stand together somewhere.
_READ = 20

_CODE = re.compile(r"\S*[\d_]\S*")
_LETTERS_AND_DIGITS = re.compile(r"([^\W\d_]{2,})(\d{1,4})")

_NUMBERS = {
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
    "ten": "10", "eleven": "11", "twelve": "12", "twenty": "20", "thirty": "30", "forty": "40",
    "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90", "hundred": "100",
}  # fmt: skip
_OTHER_NUMBER = _NUMBERS | {digits: word for word, digits in _NUMBERS.items()}


@dataclass(frozen=True, slots=True)
class Alternative:
    """Words that a document may hold where the question says `asked`: tokens in order."""

    asked: tuple[str, ...]
    written: tuple[str, ...]


class Alternatives:
    """Finds alternatives for the words of a question among those of the index; thread-safe."""

    def __init__(self, catalog: CatalogReader, lexical: LexicalIndex, tokenizer_file: Path) -> None:
        """`tokenizer_file` is that of the embedder: the words that it knows are right as they are."""
        self._catalog = catalog
        self._lexical = lexical
        self._tokenizer_file = tokenizer_file

    def corrections(self, question: str, audiences: Sequence[int]) -> tuple[Alternative, ...]:
        """For each word that no readable passage holds: what it was meant to be, the likeliest first.

        Words that are right, of fewer than four letters, in capitals, and parts of codes stay as they are.
        """
        written = tuple(dict.fromkeys(content_words(question)))[:_MOST_TOKENS]
        held = self._held(written, audiences)
        unknown = [word for word in written if word not in held]
        if len(unknown) > _MOST_UNKNOWN:
            return ()
        spared = _spared(question)
        found: list[Alternative] = []
        for word in unknown:
            parts = next(self._parts(word, audiences), None)
            if parts is not None:
                found.append(Alternative((word,), parts))
            elif word not in spared and word.isalpha() and not self._common_stems.issuperset(stem([word])):
                found += [Alternative((word,), (other,)) for other in self._spelled(word, audiences)]
        return tuple(found)

    def equivalents(self, question: str, audiences: Sequence[int]) -> tuple[Alternative, ...]:
        """Neighbouring words that documents write as one, and numbers in digits or in words."""
        written = tokens(question)[:_MOST_TOKENS]
        joined = {
            one + other: (one, other)
            for one, other in pairwise(written)
            if one.isalpha() and one not in STOP_WORDS and (len(other) > 1 or other.isdigit())
        }
        numbers = {_OTHER_NUMBER[word]: (word,) for word in written if word in _OTHER_NUMBER}
        possible = joined | numbers
        held = self._held(self._held_anywhere(possible), audiences) - STOP_WORDS
        return tuple(Alternative(asked, (word,)) for word, asked in possible.items() if word in held)

    def prefetch(self) -> None:
        """Read the words that are right as they are, before a question needs them."""
        _ = self._common_stems

    @cached_property
    def common(self) -> frozenset[str]:
        """Words that are right as they are, whether the index holds them or not."""
        return common_words(self._tokenizer_file)

    @cached_property
    def _common_stems(self) -> frozenset[str]:
        return frozenset(stem([*self.common]))

    def _spelled(self, word: str, audiences: Sequence[int]) -> list[str]:
        near = near_spellings(word)
        # Stop words need no look: their postings are the longest, and tell nothing.
        held = self._held(self._held_anywhere(near.keys() - STOP_WORDS), audiences)
        frequencies = self._frequencies(held)
        likely = sorted(
            held | (near.keys() & STOP_WORDS),
            key=lambda other: (
                near[other],
                other not in self.common and other not in STOP_WORDS,
                -frequencies.get(other, 0),
                other,
            ),
        )
        # Of several spellings with one stem the likeliest.
        chosen = dict(zip(reversed(stem(likely)), reversed(likely), strict=True))
        return [other for other in likely if other in chosen.values()][:_CORRECTIONS]

    def _parts(self, word: str, audiences: Sequence[int]) -> Iterator[tuple[str, str]]:
        divided = _LETTERS_AND_DIGITS.fullmatch(word)
        places = [divided.end(1)] if divided else range(1, len(word) - 1)
        pairs = [(word[:place], word[place:]) for place in places][:_MOST_TOKENS]
        pairs = [(one, _OTHER_NUMBER[other]) for one, other in pairs if other in _OTHER_NUMBER] + pairs
        held = set(self._held_anywhere({part for pair in pairs for part in pair}))
        for one, other in pairs:
            if {one, other} <= held and one not in STOP_WORDS and self._stand_together(one, other, audiences):
                yield one, other

    def _held_anywhere(self, words: Collection[str]) -> list[str]:
        listed = list(words)
        stems = stem(listed)
        occurring = self._lexical.occurring(stems)
        return [word for word, s in zip(listed, stems, strict=True) if s in occurring]

    def _frequencies(self, words: Collection[str]) -> dict[str, int]:
        listed = list(words)
        stems = stem(listed)
        frequencies = self._lexical.document_frequencies(stems)
        return {word: frequencies[s] for word, s in zip(listed, stems, strict=True) if s in frequencies}

    def _held(self, words: Sequence[str], audiences: Sequence[int]) -> set[str]:
        stems = stem(words)
        readable = self._lexical.readable(stems, audiences)
        return {word for word, s in zip(words, stems, strict=True) if s in readable}

    def _stand_together(self, one: str, other: str, audiences: Sequence[int]) -> bool:
        ids = [i for i, _ in self._lexical.query(stem([one, other]), _READ, audiences)]
        together = re.compile(rf"\b{one}[\W_]{{0,3}}{other}\b", re.IGNORECASE)
        return any(
            together.search(f"{passage.title}\n{passage.heading}\n{passage.text}")
            for passage in self._catalog.passages(ids, audiences).values()
        )


def corrected(question: str, corrections: Sequence[Alternative]) -> str:
    """Return the question with the likeliest correction of each word in its place."""
    for correction in {c.asked: c for c in reversed(corrections)}.values():
        word = re.compile(rf"\b{re.escape(correction.asked[0])}\b", re.IGNORECASE)
        question = word.sub(" ".join(correction.written), question)
    return question


def _spared(question: str) -> frozenset[str]:
    """What is no common word: parts of codes ("KB-2231"), and words in capitals unless all is."""
    spared = [*_CODE.findall(question)]
    if not question.isupper():
        spared += [word for word in question.split() if len(word) > 1 and word.strip("?!.,;:'\"()").isupper()]
    return frozenset(word for text in spared for word in tokens(text))
