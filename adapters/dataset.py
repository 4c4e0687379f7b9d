"""The examples that an adapter is trained on, read from a file with one JSON object a line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

from adapters.faults import first_fault

HELD_OUT_SHARE = 0.1
_MOST_BYTES = 64_000_000
_SCHEMA = '{"question": "…", "evidence": ["…", ["heading", "…"]], "answer": "… [1]."}'

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class DatasetError(Exception):
    """The examples cannot be used; each line of the message names a row and what to mend in it."""


@dataclass(frozen=True, slots=True)
class Example:
    """One question, the evidence that stood before the answerer, and the answer to learn.

    `evidence` are pairs of context (a heading, a line above; may be empty) and text, best first, numbered
    from 1 by the answer's markers. Without evidence it is small talk. `line` is where the row stands.
    """

    question: str
    evidence: tuple[tuple[str, str], ...]
    answer: str
    line: int

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that is written in the example."""
        return (self.question, *(text for pair in self.evidence for text in pair if text), self.answer)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the row at `line` of `path`, and how to mend it."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path.name}, line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Reading:
    """The rows of a file that are examples, and the faults of those that are none."""

    path: Path
    examples: tuple[Example, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """Examples to train on, and those that are kept out in order to measure."""

    training: tuple[Example, ...]
    held_out: tuple[Example, ...]


def _with_context(piece: Any) -> Any:
    return ("", piece) if isinstance(piece, str) else piece


class _Row(BaseModel):
    """`evidence` holds texts, or pairs of context and text; `rejected` is the answer that was corrected."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: _Text
    evidence: tuple[Annotated[tuple[str, _Text], BeforeValidator(_with_context)], ...] = ()
    answer: _Text
    rejected: _Text | None = None


def scan_examples(path: Path) -> Reading:
    """Read a file of examples, with the faults of all rows that are none.

    Raises `DatasetError` when the file cannot be read or holds no rows.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DatasetError(f"{path} is larger than {_MOST_BYTES:,} bytes; train on fewer examples.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not written in UTF-8; save it as UTF-8.") from error
    examples, faults = [], []
    # Only line feeds part rows: JSON may hold any other line break within a string.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = _Row.model_validate_json(line)
        except ValidationError as error:
            faults.append(Fault(path, number, _what_is_wrong(error)))
            continue
        if row.rejected is not None and normal(row.rejected) == normal(row.answer):
            faults.append(
                Fault(path, number, "rejected is the answer itself; put the corrected text in answer.")
            )
            continue
        examples.append(Example(row.question, row.evidence, row.answer, number))
    if not examples and not faults:
        raise DatasetError(f"{path} holds no examples; write one JSON object a line: {_SCHEMA}")
    return Reading(path, tuple(examples), tuple(faults))


def read_examples(path: Path) -> tuple[Example, ...]:
    """Read a file of examples. Raises `DatasetError` that names every line which is none."""
    reading = scan_examples(path)
    if reading.faults:
        raise DatasetError("\n".join(map(str, reading.faults)))
    return reading.examples


def split(examples: Sequence[Example], share: float = HELD_OUT_SHARE) -> Split:
    """Keep about `share` of the examples out, always the same: chosen by the hash of their questions."""
    held_out = [example for example in examples if _fraction(example.question) < share]
    training = [example for example in examples if _fraction(example.question) >= share]
    return Split(tuple(training), tuple(held_out))


def digest(examples: Sequence[Example]) -> str:
    """The SHA-256 of the examples' content in their order; where they stand plays no part."""
    hashed = hashlib.sha256()
    for example in examples:
        row = (example.question, example.evidence, example.answer)
        hashed.update(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return hashed.hexdigest()


def normal(text: str) -> str:
    """A text without the difference of upper and lower case and of white space."""
    return " ".join(text.casefold().split())


def _fraction(question: str) -> float:
    """A number from 0 to 1 that only the question's words decide."""
    return int.from_bytes(hashlib.sha256(normal(question).encode()).digest()[:8]) / 2**64


def _what_is_wrong(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        return f"this is no JSON object ({first['ctx']['error']}); write {_SCHEMA}"
    if first["type"] == "missing":
        return f"{field} is missing; write {_SCHEMA}"
    if first["type"] == "extra_forbidden":
        return f"{field} is no field of an example; take it out, or write {_SCHEMA}"
    return f"{first_fault(error, 'the row')}; write {_SCHEMA}"
