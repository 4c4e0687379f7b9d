"""Documents of any number, made by recombining the sentences of real ones.

Every section keeps to one part of one real text, so that it is about something, and the same number makes the
same document. The vocabulary does not grow with the number of documents as it would in life, so every
word matches more passages than it would: searches by words are somewhat harder than real ones.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_SHORTEST, _LONGEST = 30, 400
_STRETCH = 3
# Sentences of a section come from one stretch of a real text, of at most so many.
_TOPIC = 40
_NOISE = 0.005


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and the sentences below it as places in `Recombiner.sentences`."""

    heading: str
    sentences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Recombined:
    """A document that was never written."""

    title: str
    sections: tuple[Section, ...]


class Recombiner:
    """Makes documents of the sentences of all Markdown files in some folders."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._topics = [topic for file in _files(folders) for topic in _topics(_sentences(file))]

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """Every sentence, one real text after the other."""
        return tuple(sentence for topic in self._topics for sentence in topic)

    def document(self, number: int, sections: int, words: int) -> Recombined:
        """The document of this number, with so many sections of about so many words."""
        chance = random.Random(number)
        return Recombined(
            f"Document {number}", tuple(self._section(chance, place, words) for place in range(sections))
        )

    def markdown(self, document: Recombined) -> str:
        """The document as it would be written to a file."""
        parts = [f"## {section.heading}\n\n{self.text(section)}\n" for section in document.sections]
        return f"# {document.title}\n\n" + "\n".join(parts)

    def text(self, section: Section) -> str:
        """The words of a section."""
        return " ".join(self.sentences[place] for place in section.sentences)

    def _section(self, chance: random.Random, place: int, words: int) -> Section:
        chosen: list[int] = []
        length = 0
        topic = chance.randrange(len(self._topics))
        while length < words:
            size = len(self._topics[topic])
            first = self._offsets[topic] + chance.randrange(size - _STRETCH + 1)
            stretch = range(first, first + _STRETCH)
            chosen += stretch
            length += sum(len(self.sentences[at].split()) for at in stretch)
        opening = self.sentences[chosen[0]].split()[:4]
        return Section(f"{place + 1}. {' '.join(opening)}", tuple(chosen))

    @cached_property
    def _offsets(self) -> tuple[int, ...]:
        offsets = [0]
        for topic in self._topics:
            offsets.append(offsets[-1] + len(topic))
        return tuple(offsets)


def derived_vectors(document: Recombined, sentences: NDArray[np.float32]) -> NDArray[np.float32]:
    """One unit vector a section: the mean of its sentences' with a little noise, so that no two are equal.

    `sentences` (n, dimensions) are those of `Recombiner.sentences`. To embed 100,000 sections themselves
    takes a quarter of an hour, and changes nothing about how long a search takes.
    """
    means = np.array([sentences[list(section.sentences)].mean(axis=0) for section in document.sections])
    chance = np.random.default_rng(list(document.title.encode()))
    vectors = (means + chance.normal(scale=_NOISE, size=means.shape)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_documents(recombiner: Recombiner, folder: Path, numbers: range, sections: int, words: int) -> None:
    """Write these documents as Markdown files that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        file = folder / f"document-{number:06}.md"
        if not file.exists():
            file.write_text(
                recombiner.markdown(recombiner.document(number, sections, words)), encoding="utf-8"
            )


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(folder.rglob("*.md"))


def _topics(sentences: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(sentences), _TOPIC):
        topic = sentences[start : start + _TOPIC]
        if len(topic) >= _STRETCH:
            yield topic


def _sentences(file: Path) -> list[str]:
    found = (" ".join(piece.split()) for piece in _SENTENCE_END.split(file.read_text(encoding="utf-8")))
    return [piece for piece in found if _SHORTEST <= len(piece) <= _LONGEST and not piece.startswith("#")]
