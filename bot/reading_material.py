"""What the model reads of the evidence: the best sentences, or the whole passages in which they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.evidence import Evidence, read_by_model, shown

# How many sentences are kept to check an answer by when whole passages are read.
EVIDENCE_OF_PASSAGES = 24


@dataclass(frozen=True, slots=True)
class ReadingMaterial:
    """Texts as the prompt shows them, (context, text) each, numbered from 1.

    `stands_for` are the numbers of the pieces of evidence in each text; it is empty where they are the same.
    """

    shown: tuple[tuple[str, str], ...]
    stands_for: tuple[tuple[int, ...], ...] = ()

    def evidence_of(self, markers: tuple[int, ...]) -> tuple[int, ...]:
        """The pieces of evidence that a sentence with these markers may rest on."""
        if not self.stands_for:
            return markers
        return tuple(
            number
            for marker in markers
            if 1 <= marker <= len(self.stands_for)
            for number in self.stands_for[marker - 1]
        )


def best_sentences(evidence: Sequence[Evidence]) -> ReadingMaterial:
    """The pieces of evidence themselves, for a small model: few and short."""
    return ReadingMaterial(tuple(shown(read_by_model(evidence))))


def whole_passages(evidence: Sequence[Evidence]) -> ReadingMaterial:
    """The passages of all evidence, the best first, for a large model.

    What is said is checked against the sentences all the same.
    """
    numbers: dict[int, list[int]] = {}
    for number, entry in enumerate(evidence, start=1):
        numbers.setdefault(entry.passage.passage_id, []).append(number)
    passages = [evidence[own[0] - 1].passage for own in numbers.values()]
    return ReadingMaterial(
        tuple(
            (" > ".join(part for part in (passage.title, passage.heading) if part), passage.text)
            for passage in passages
        ),
        tuple(map(tuple, numbers.values())),
    )
