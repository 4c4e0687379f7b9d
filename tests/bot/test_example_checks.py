"""What is found wrong with examples, row by row, before a voice learns from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.chat import ChatTokenizer
from adapters.dataset import Example
from bot.example_checks import find_faults

FILE = Path("examples.jsonl")
COSTS, TAKES = "A service costs £55.", "It takes two working days."


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> ChatTokenizer:
    return ChatTokenizer.from_folder(tiny_model)


def row(answer: str, *evidence: str, question: str = "What about a service?", line: int = 1) -> Example:
    return Example(question, tuple(("", text) for text in evidence), answer, line)


def said_of(tokenizer: ChatTokenizer, *examples: Example) -> list[str]:
    return [str(fault) for fault in find_faults(FILE, examples, tokenizer)]


@pytest.mark.parametrize(
    "sound",
    [
        row("It's £55, and you'll have it back in two working days [1].", f"{COSTS} {TAKES}"),
        row("£55 [1]. Two days [2]!", COSTS, TAKES),
        row("You may renew it two times [1].", "Items may be renewed twice."),
        row("Cabinet 1 may hold 20 litres [1].", "Place: cabinet 1; kept there: at most 20 litres"),
        row("No under 8s in there [1].", "Visitors under 8 may not enter the hall."),
        row("Ask pensions@tidewater.example [1].", "Questions go to pensions@tidewater.example."),
        row("The notes don't say.", COSTS),
        row("Hello there!"),
        row("On the 6 May, as you say [1].", COSTS, question="Is it £55 on 6 May?"),
    ],
)
def test_a_row_whose_facts_stand_in_its_prompt_is_sound(tokenizer: ChatTokenizer, sound: Example) -> None:
    assert said_of(tokenizer, sound) == []


@pytest.mark.parametrize(
    ("faulty", "said"),
    [
        (row("It's £65 [1].", COSTS), "the answer says '65 gbp', which stands neither"),
        (row("See https://service.example/book [1].", COSTS), "says 'https://service.example/book'"),
        (row("Write to desk@service.example [1].", COSTS), "says 'desk@service.example'"),
        (row("Come at 09:30 [1].", COSTS), "says '09:30'"),
        (row("It's £55 [3].", COSTS, TAKES), "cites [3], but the row has 2 pieces of evidence"),
        (row("Hello there [1]!"), "cites [1], but the row has no evidence"),
        (row("It's £55 [2].", COSTS, TAKES), "cites [2] for '55 gbp', which stands in other evidence"),
        (row("Fine [1].", "word " * 1100), "tokens long and may be 1,024"),
        (row("Fine [1].", "The password is hunter2horse."), "holds a secret (a password or key)"),
        (row("Fine [1].", "Ring Ana on +49 170 1234567."), "holds a telephone number"),
    ],
)
def test_a_fault_is_told_with_its_line_and_its_remedy(
    tokenizer: ChatTokenizer, faulty: Example, said: str
) -> None:
    (fault,) = said_of(tokenizer, faulty)
    assert fault.startswith("examples.jsonl, line 1: ")
    assert said in fault
    assert ";" in fault


def test_a_row_that_stands_twice_is_told_once(tokenizer: ChatTokenizer) -> None:
    faults = said_of(tokenizer, row("£55 [1].", COSTS), row(" £55  [1].", COSTS, line=2))
    assert faults == ["examples.jsonl, line 2: the same as line 1; delete one of the two"]


def test_the_same_in_other_words_may_stand_beside(tokenizer: ChatTokenizer) -> None:
    assert said_of(tokenizer, row("£55 [1].", COSTS), row("It's £55, no more [1].", COSTS, line=2)) == []


def test_one_that_answers_and_one_that_declines_contradict_each_other(tokenizer: ChatTokenizer) -> None:
    (fault,) = said_of(tokenizer, row("£55 [1].", COSTS), row("We can't tell.", COSTS, line=2))
    assert fault.startswith("examples.jsonl, line 2: it contradicts line 1")
    assert "declines" in fault


def test_two_answers_with_other_facts_contradict_each_other(tokenizer: ChatTokenizer) -> None:
    evidence = (COSTS, "An express service costs £90.")
    (fault,) = said_of(tokenizer, row("£55 [1].", *evidence), row("£90 [2].", *evidence, line=2))
    assert "contradicts line 1" in fault
    assert "'55 gbp' there, '90 gbp' here" in fault


def test_the_same_question_on_other_evidence_is_no_contradiction(tokenizer: ChatTokenizer) -> None:
    assert said_of(tokenizer, row("£55 [1].", COSTS), row("£60 [1].", "It costs £60.", line=2)) == []


def test_all_that_is_wrong_with_a_row_is_told(tokenizer: ChatTokenizer) -> None:
    faults = said_of(tokenizer, row("£65 [2].", "The password is hunter2horse."))
    assert len(faults) == 3
