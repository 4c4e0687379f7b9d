import io
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

from rich.console import Console

from connectors.conversation import (
    Answer,
    Answered,
    AnswerEvent,
    Citation,
    Progress,
    Question,
    QuestionRefusedError,
    TextDelta,
    Timings,
    Voice,
)
from connectors.terminal import (
    collect_answer,
    converse,
    show_answer,
    source_line,
    styled,
    terminal_question,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CHANGED = datetime(2026, 3, 3, 12, tzinfo=UTC)
EVERYONE = frozenset({"everyone"})


def answer_to(question: Question) -> Answer:
    citation = Citation(
        1, "Returns [policy]", "Opened items", "returns.md", "file:///returns.md", "…", "v1", NOW, CHANGED
    )
    return Answer(
        id="a1",
        question=question.text,
        standalone_question=question.text,
        text="You have 30 days [1].",
        route="knowledge",
        citations=(citation,),
        nearest=(),
        sentences=(),
        voice=Voice("warm", "2", "abc"),
        model="SmolLM2",
        index_generation=3,
        timings=Timings(first_text=0.5, total=1.25),
    )


class Echo:
    """An engine that gives the same answer to all, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    async def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        if not question.text.strip("?"):
            raise QuestionRefusedError("The question is empty; write what you want to know.")
        self.asked.append(question)
        yield Progress("Searching 3 passages")
        yield TextDelta("You have 30 days ")
        yield TextDelta("[1].")
        yield Answered(answer_to(question))


def screen() -> Console:
    return Console(file=io.StringIO(), width=200)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def test_an_answer_is_shown_with_its_text_sources_and_voice() -> None:
    console = screen()

    await show_answer(Echo(), terminal_question("How long?", EVERYONE), console)

    text = shown(console)
    assert "You have 30 days [1]." in text
    assert "[1] Returns [policy] › Opened items" in text
    assert "warm@2" in text
    assert "index 3" in text


def test_bold_words_are_bold_and_markers_stay() -> None:
    console = screen()

    console.print(styled("**Badger 6** — Price: £165.00 [1]."), highlight=False)

    assert shown(console) == "Badger 6 — Price: £165.00 [1].\n"


async def test_an_answer_can_be_had_without_showing_it() -> None:
    answer = await collect_answer(Echo(), terminal_question("How long?", EVERYONE))

    assert answer.text == "You have 30 days [1]."


def test_a_conversation_hands_earlier_turns_to_later_questions() -> None:
    engine, lines = Echo(), iter(["How long?", "", "And opened?", "exit"])

    def ask(question: Question) -> Answer:
        engine.asked.append(question)
        return answer_to(question)

    converse(ask, screen(), EVERYONE, lambda: next(lines))

    assert [question.text for question in engine.asked] == ["How long?", "And opened?"]
    assert engine.asked[1].history[0].answer == "You have 30 days [1]."


def test_a_refused_question_does_not_end_the_conversation() -> None:
    console, lines = screen(), iter(["???", "How long?", None])

    def ask(question: Question) -> Answer:
        if question.text == "???":
            raise QuestionRefusedError("The question is empty; write what you want to know.")
        return answer_to(question)

    converse(ask, console, EVERYONE, lambda: next(lines))

    assert "The question is empty" in shown(console)


def test_a_source_shows_title_heading_link_and_freshness() -> None:
    citation = answer_to(terminal_question("q", EVERYONE)).citations[0]
    console = screen()

    console.print(source_line(citation, NOW + timedelta(days=3)))

    text = shown(console)
    assert "Returns [policy] › Opened items" in text
    assert "file:///returns.md" in text
    assert "changed 3 March 2026, read 3 days ago" in text
