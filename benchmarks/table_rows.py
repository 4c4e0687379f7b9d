"""Examples of answering from the rows of invented tables, as the evidence selector shows them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


def _prices(low: int, high: int, sign: str = "£", cents: str = "") -> tuple[str, ...]:
    step = max(1, (high - low) // 14)
    return tuple(f"{sign}{value}{cents}" for value in range(low, high, step))


def _priced(low: int, high: int, sign: str = "£", cents: str = "", name: str = "Price") -> Column:
    asked = ("How much is {s}?", "What does {s} cost?", "price of {s}?", "What is the price of {s} now?")
    return Column(name, _prices(low, high, sign, cents), asked, f"The {name.lower()} of {{s}} is {{v}}")


def _numbered(name: str, prefix: str) -> Column:
    values = tuple(f"{prefix}-{letter}{number}" for letter in "ABKMT" for number in (104, 217, 338))
    asked = (
        f"What is the {name.lower()} of {{s}}?",
        f"{name.lower()} for {{s}}",
        f"which {name.lower()} has {{s}}?",
    )
    return Column(name, values, asked, f"The {name.lower()} of {{s}} is {{v}}")


def _lasting(name: str, values: Sequence[str], asked: Sequence[str]) -> Column:
    return Column(name, tuple(values), tuple(asked), f"The {name.lower()} for {{s}} is {{v}}")


_DAYS = ("1 to 2 working days", "2 to 3 days", "3 to 5 working days", "5 to 7 days", "8 to 12 working days")
_YEARS = ("1 year", "2 years", "3 years", "5 years", "7 years", "10 years")
_PEOPLE = (
    "Ada Brandt",
    "Jonas Pell",
    "Mirela Costa",
    "Tom Whitlow",
    "Sun-Hee Park",
    "Olu Adeyemi",
    "Greta Falk",
)

TABLES = (
    Table(
        "Office chairs and desks",
        "Product",
        (
            "Alder desk, oak",
            "Alder desk, white",
            "Rowan chair",
            "Rowan chair, high back",
            "Linden shelf",
            "Larch lamp",
        ),
        (
            _priced(39, 520, cents=".00"),
            _numbered("Part number", "AL"),
            _lasting(
                "Warranty",
                _YEARS,
                (
                    "How long is the warranty on {s}?",
                    "guarantee for {s}?",
                    "For how many years is {s} under warranty?",
                ),
            ),
        ),
    ),
    Table(
        "Delivery",
        "Zone",
        ("Denmark", "Portugal", "Canada", "New Zealand", "the Isle of Man", "Sweden", "Japan", "Malta"),
        (
            _priced(6, 40, cents=".50"),
            _lasting(
                "Time",
                _DAYS,
                (
                    "How long does delivery to {s} take?",
                    "delivery time {s}",
                    "When does a parcel to {s} arrive?",
                ),
            ),
            _lasting(
                "Free over",
                ("£60", "£90", "£120", "£200"),
                ("From what order value is delivery to {s} free?", "free delivery limit for {s}?"),
            ),
        ),
    ),
    Table(
        "Sick pay",
        "Length of service",
        ("Up to 1 year", "1 to 3 years", "3 to 6 years", "Over 6 years"),
        (
            _lasting(
                "Full pay",
                ("10 days", "20 days", "30 days", "60 days"),
                ("How many days of full pay are there for {s}?", "{s} of service: how long is full pay?"),
            ),
            _lasting(
                "Half pay",
                ("10 days", "15 days", "40 days", "80 days"),
                ("How long is half pay for {s} of service?", "half pay for {s}?"),
            ),
        ),
    ),
    Table(
        "Plans",
        "Plan",
        ("Solo", "Team", "Team Plus", "Campus", "Unlimited"),
        (
            _priced(5, 220, "€", name="Monthly price"),
            _lasting(
                "Seats", ("1", "5", "12", "40", "250"), ("How many seats has the {s} plan?", "seats on {s}")
            ),
            _lasting(
                "Storage",
                ("2 GB", "20 GB", "100 GB", "500 GB", "2 TB"),
                ("How much storage does {s} include?", "What storage comes with {s}?"),
            ),
        ),
    ),
    Table(
        "Who approves what",
        "Amount",
        ("Up to £200", "£200 to £1,000", "£1,000 to £5,000", "Over £5,000"),
        (
            Column(
                "Approved by",
                ("the team lead", "the office manager", "the head of finance", "two directors"),
                ("Who approves {s}?", "Who has to sign off an amount of {s}?", "approval for {s}?"),
                "{s} is approved by {v}",
            ),
            _lasting(
                "Receipt",
                ("not needed", "a photo", "the original", "the original and a quote"),
                ("What receipt is needed for {s}?",),
            ),
        ),
    ),
    Table(
        "Contacts",
        "Subject",
        ("Payroll", "First aid", "Building access", "Press enquiries", "Fleet cars", "Data protection"),
        (
            Column(
                "Person",
                _PEOPLE,
                (
                    "Who looks after {s}?",
                    "Who do I ask about {s}?",
                    "contact for {s}",
                    "Who is responsible for {s}?",
                ),
                "The person for {s} is {v}",
            ),
            Column(
                "Extension",
                ("2104", "2117", "2230", "2245", "2308", "2391"),
                ("What is the extension for {s}?", "{s} extension?"),
                "The extension for {s} is {v}",
            ),
        ),
    ),
    Table(
        "Opening hours",
        "Day",
        ("Monday", "Tuesday", "Wednesday", "Saturday", "Sunday"),
        (
            _lasting(
                "Opens",
                ("07:30", "08:00", "09:15", "10:00", "11:30"),
                ("When do we open on {s}?", "opening time on {s}?"),
            ),
            _lasting(
                "Closes",
                ("13:00", "16:45", "18:00", "19:30", "21:00"),
                ("When do we close on {s}?", "How late is it open on {s}?"),
            ),
        ),
    ),
    Table(
        "Specification",
        "Model",
        ("Brook 2 pump", "Brook 4 pump", "Tern scale", "Tern scale, long", "Plover timer", "Heath fan"),
        (
            _lasting(
                "Weight",
                ("0.4 kg", "1.2 kg", "3.8 kg", "9.5 kg"),
                ("How heavy is {s}?", "What does {s} weigh?", "weight of {s}"),
            ),
            _lasting(
                "Battery",
                ("8 hours", "14 hours", "30 hours", "two AA cells"),
                ("How long does the battery of {s} last?", "What battery has {s}?"),
            ),
            _lasting(
                "Protection",
                ("IP44", "IP54", "IP65", "IP67"),
                ("Which protection class has {s}?", "Is {s} protected against water?"),
            ),
        ),
    ),
    Table(
        "Severity levels",
        "Level",
        ("Severity 1", "Severity 2", "Severity 3", "Severity 4"),
        (
            _lasting(
                "First answer",
                ("15 minutes", "1 hour", "4 hours", "2 working days"),
                ("How quickly do we answer a {s} ticket?", "first answer for {s}?"),
            ),
            Column(
                "Escalated to",
                ("the engineer on call", "the team lead", "the product manager", "nobody"),
                ("Who is a {s} case escalated to?", "escalation of {s}?"),
                "{s} is escalated to {v}",
            ),
        ),
    ),
    Table(
        "Courses",
        "Course",
        (
            "First steps in welding",
            "Forklift licence",
            "Spreadsheet basics",
            "Fire warden",
            "Public speaking",
        ),
        (
            _lasting(
                "Length",
                ("90 minutes", "half a day", "2 days", "3 evenings"),
                ("How long is {s}?", "How many days does {s} take?", "length of {s}"),
            ),
            _lasting(
                "Renewed",
                ("never", "each year", "every 3 years", "every 5 years"),
                ("How often is {s} renewed?", "When does {s} have to be renewed?"),
            ),
            _lasting("Places", ("6", "10", "14", "25"), ("How many places does {s} have?",)),
        ),
    ),
    Table(
        "Retention",
        "Record",
        ("Invoices", "Call recordings", "Job applications", "Server logs", "Visitor lists", "Contracts"),
        (
            _lasting(
                "Kept for",
                ("30 days", "90 days", "6 months", "2 years", "7 years", "10 years"),
                ("How long do we keep {s}?", "retention of {s}", "When are {s} deleted?"),
            ),
            Column(
                "Owner",
                ("finance", "support", "people team", "operations", "legal"),
                ("Who owns {s}?", "Which team is in charge of {s}?"),
                "The owner of {s} is {v}",
            ),
        ),
    ),
    Table(
        "Rates",
        "Journey",
        ("Car", "Motorcycle", "Electric car", "Passenger", "Taxi from the station"),
        (
            _lasting(
                "Rate",
                ("18 pence", "24 pence", "45 pence", "30 pence", "£12"),
                ("What is the rate for {s}?", "How much is paid for {s}?", "mileage rate {s}"),
            ),
            _lasting("Limit a month", ("£50", "£120", "£300"), ("What is the monthly limit for {s}?",)),
        ),
    ),
)


@dataclass(frozen=True)
class TableRow:
    """A question to a table with the rows that were found, and the reply; "" where they do not hold it."""

    question: str
    evidence: tuple[tuple[str, str], ...]
    reply: str


def table_rows(number: int, declines: int, seed: int) -> Iterator[TableRow]:
    """Invent questions whose answer stands in a cell, and others whose row or column is not there."""
    rng = random.Random(seed)
    for place in range(number + declines):
        table = TABLES[place % len(TABLES)]
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
