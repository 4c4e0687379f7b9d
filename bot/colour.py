"""The words that carry a voice and claim nothing, learned from the examples of the voice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from adapters.dataset import Example
from bot.citations import parse_markers
from knowledge.terms import STOP_WORDS, stem, stems, tokens

# A word must come unprompted in so many answers before it is a habit.
_HABIT = 4


def colour_of(examples: Sequence[Example]) -> tuple[str, ...]:
    """Return the stems that many answers use without their evidence, and that no evidence ever uses.

    The verifier lets a voice say them without finding them in the source. What any evidence of the examples
    speaks of ("refund", "free") is a matter of fact and never colour; nor is a number.
    """
    spoken_of = {word for example in examples for word in stems(_read(example))}
    unprompted: Counter[str] = Counter()
    for example in examples:
        said, markers = parse_markers(example.answer)
        if markers:
            unprompted.update(_content(said) - set(stems(f"{_read(example)} {example.question}")))
    habits = (word for word, count in unprompted.items() if count >= _HABIT and not word.isdigit())
    return tuple(sorted(word for word in habits if word not in spoken_of))


def _read(example: Example) -> str:
    return " ".join(f"{context} {text}" for context, text in example.evidence)


def _content(text: str) -> set[str]:
    return set(stem([word for word in tokens(text) if word not in STOP_WORDS]))
