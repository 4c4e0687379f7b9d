"""Examples of answering from the rows of invented tables, as the evidence selector shows them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LATER_ROW_SHARE = 0.25
_TWO_CELLS_SHARE = 0.12


@dataclass(frozen=True)
class Column:
    """A column: how its values are asked for (`{s}` is the row's subject), and how the reply puts it."""

    name: str
    values: tuple[str, ...]
    questions: tuple[str, ...]
    reply: str


@dataclass(frozen=True)
class Table:
    """A table under a heading, whose first column names the subjects of the rows."""

    heading: str
    subject: str
    subjects: tuple[str, ...]
    columns: tuple[Column, ...]


def tables() -> list[Table]:
    """The invented tables of `tables.json`."""
    read = json.loads((Path(__file__).parent / "tables.json").read_text(encoding="utf-8"))
    return [
        Table(
            table["heading"],
            table["subject"],
            tuple(table["subjects"]),
            tuple(
                Column(c["name"], tuple(c["values"]), tuple(c["questions"]), c["reply"])
                for c in table["columns"]
            ),
        )
        for table in read
    ]


@dataclass(frozen=True)
class TableRow:
    """A question to a table with the rows that were found, and the reply; "" where they do not hold it."""

    question: str
    evidence: tuple[tuple[str, str], ...]
    reply: str


def table_rows(number: int, declines: int, seed: int) -> Iterator[TableRow]:
    """Invent questions whose answer stands in a cell, and others whose row or column is not there."""
    rng = random.Random(seed)
    invented = tables()
    for place in range(number + declines):
        table = invented[place % len(invented)]
        subjects = rng.sample(table.subjects, min(len(table.subjects), rng.choice((2, 3, 3, 4))))
        # A row that is asked for and missing, or a column that no row has, leaves the question open.
        missing, *kept = subjects if len(subjects) > 2 else (rng.choice(table.subjects), *subjects)
        kept = [subject for subject in kept if subject != missing][:3]
        columns = list(table.columns)
        answered = place < number
        asked = rng.choice(columns)
        if not answered and rng.random() < 0.5 and len(columns) > 1:
            columns.remove(asked)
            missing = kept[0]
        cells = {(s, column.name): rng.choice(column.values) for s in kept for column in columns}
        subject = kept[0] if answered else missing
        if answered and len(kept) > 1 and rng.random() < _LATER_ROW_SHARE:
            subject = kept[1]
        evidence = tuple(
            (
                table.heading,
                "; ".join(
                    [
                        f"{table.subject}: {s}",
                        *(f"{column.name}: {cells[s, column.name]}" for column in columns),
                    ]
                ),
            )
            for s in kept
        )
        question = rng.choice(asked.questions).format(s=subject)
        reply = ""
        if answered:
            at = kept.index(subject) + 1
            reply = _said(asked, subject, cells[subject, asked.name], at)
            others = [column for column in columns if column is not asked]
            if others and rng.random() < _TWO_CELLS_SHARE:
                also = rng.choice(others)
                reply += " " + _said(also, subject, cells[subject, also.name], at)
                question = f"{question.rstrip('?')}, and what about the {also.name.lower()}?"
        yield TableRow(question, evidence, reply)


def _said(column: Column, subject: str, value: str, number: int) -> str:
    said = column.reply.format(s=subject, v=value)
    return f"{said[0].upper()}{said[1:]} [{number}]."
