"""What a voice is trained on: examples and the brand's own writing, checked and split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adapters.brand_copy import ENOUGH_TOKENS, pairs_from_copy, read_copy
from adapters.chat import ChatTokenizer
from adapters.dataset import DatasetError, Example, Fault, digest, scan_examples, split
from bot.example_checks import find_faults

FEWEST_EXAMPLES = 50
FAULTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Examples to learn from and those held out; `left_out` rows had faults.

    `examples` are the sound rows of the file of examples, and `copy` the texts of the brand's writing, from
    which further rows were built. `sha256` is that of all rows that are used. `remarks` are lines for people.
    """

    training: tuple[Example, ...]
    held_out: tuple[Example, ...]
    examples: tuple[Example, ...]
    copy: tuple[str, ...]
    left_out: int
    sha256: str
    remarks: tuple[str, ...]

    @property
    def rows(self) -> int:
        """How many rows are used, with those held out."""
        return len(self.training) + len(self.held_out)


def gather(
    examples_file: Path, copy: Path | None, base_folder: Path, *, leave_out_faulty: bool = False
) -> TrainingData:
    """Read, check and split the examples, and the pairs that are built from the writing in `copy`.

    `base_folder` is the base model's, whose tokenizer measures their length. Raises `DatasetError` that tells
    every fault, or that too few examples are left.
    """
    tokenizer = ChatTokenizer.from_folder(base_folder)
    reading = scan_examples(examples_file)
    files = read_copy(copy) if copy else ()
    neutral = dict.fromkeys(text for example in reading.examples for _, text in example.evidence)
    parts = [(reading.path, reading.examples)]
    parts += [(file.path, pairs) for file, pairs in pairs_from_copy(files, list(neutral))]
    faults = [*reading.faults]
    for path, rows in parts:
        faults += find_faults(path, rows, tokenizer)
    faulty = {(fault.path, fault.line) for fault in faults}
    if faults and not leave_out_faulty:
        raise DatasetError(told(faults, len(faulty)))
    sound = [tuple(row for row in rows if (path, row.line) not in faulty) for path, rows in parts]
    examples, used = sound[0], tuple(row for rows in sound for row in rows)
    if len(examples) < FEWEST_EXAMPLES:
        raise DatasetError(
            f"{examples_file} holds {len(examples)} sound examples, and a voice needs {FEWEST_EXAMPLES} at "
            "least; a few hundred are good."
        )
    divided = split(used)
    if not divided.held_out:
        raise DatasetError(f"None of the rows of {examples_file} falls to those held out; add some rows.")
    remarks = [f"{len(faulty)} rows have faults and are left out."] if faulty else []
    if files:
        tokens = sum(len(tokenizer.encode_reply(file.text)) for file in files)
        remarks.append(_about_copy(len(used) - len(examples), tokens))
    return TrainingData(
        divided.training,
        divided.held_out,
        examples,
        tuple(file.text for file in files),
        len(faulty),
        digest(used),
        tuple(remarks),
    )


def _about_copy(rows: int, tokens: int) -> str:
    few = (
        f"; fewer than {ENOUGH_TOKENS:,} say little of how somebody writes" if tokens < ENOUGH_TOKENS else ""
    )
    return f"The writing of {tokens:,} tokens gives {rows} further rows{few}."


def told(faults: list[Fault], rows: int) -> str:
    """The faults by line, a bounded number of them, and what to do."""
    ordered = sorted(faults, key=lambda fault: (fault.path, fault.line))
    lines = [str(fault) for fault in ordered[:FAULTS_SHOWN]]
    if len(ordered) > FAULTS_SHOWN:
        lines.append(f"and {len(ordered) - FAULTS_SHOWN} more")
    lines.append(
        f"{rows} row{'s' if rows > 1 else ''} cannot be trained on. Mend them, or leave them out with "
        "--leave-out-faulty."
    )
    return "\n".join(lines)
