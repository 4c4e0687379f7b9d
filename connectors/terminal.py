"""The terminal as a platform: one question, or a conversation, rendered with Rich."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from connectors.conversation import (
    Answer,
    Answered,
    AnswerEvent,
    Answering,
    Asker,
    Citation,
    Place,
    Progress,
    Question,
    QuestionRefusedError,
    TextDelta,
    Turn,
)
from connectors.freshness import freshness

PLACE = Place("terminal", "terminal")
CUT_OFF = "The answer was cut off; ask again."
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
QUIT_WORDS = frozenset({"exit", "quit", ":q", "/quit", "/exit"})


def terminal_question(text: str, principals: frozenset[str], history: Sequence[Turn] = ()) -> Question:
    """Make the question of the person at the terminal, who alone reads the answer."""
    asker = Asker("terminal", principals=principals)
    return Question(uuid.uuid4().hex, text, asker, PLACE, tuple(history))


async def collect_answer(assistant: Answering, question: Question) -> Answer:
    """Ask and return the answer without showing anything. Raises `QuestionRefusedError`."""
    async with aclosing(assistant.answer(question)) as events:
        async for event in events:
            if isinstance(event, Answered):
                return event.answer
    raise QuestionRefusedError(CUT_OFF)


async def show_answer(assistant: Answering, question: Question, console: Console) -> Answer:
    """Ask, print the text as it is verified and the sources after it, and return the answer.

    Raises `QuestionRefusedError`.
    """
    status = console.status("Thinking", spinner="dots")
    events = assistant.answer(question)
    async with aclosing(events):
        status.start()
        try:
            answer = await _print_events(events, status, console)
        finally:
            status.stop()
    console.print()
    print_sources(answer, console)
    return answer


async def _print_events(
    events: AsyncGenerator[AnswerEvent, None], status: Status, console: Console
) -> Answer:
    answer: Answer | None = None
    async for event in events:
        if isinstance(event, Progress):
            status.update(escape(event.text))
        elif isinstance(event, TextDelta):
            status.stop()
            console.print(styled(event.text), end="", highlight=False, soft_wrap=True)
        elif isinstance(event, Answered):
            answer = event.answer
    if answer is None:
        raise QuestionRefusedError(CUT_OFF)
    return answer


def styled(markdown: str) -> str:
    """An answer's text as Rich markup: what Markdown sets in bold is bold."""
    return _BOLD.sub(r"[bold]\1[/bold]", escape(markdown))


def print_sources(answer: Answer, console: Console, now: datetime | None = None) -> None:
    """Print the citations with title, heading, link and freshness, and the voice that spoke."""
    now = now or datetime.now(UTC)
    if answer.citations:
        console.print()
        for citation in answer.citations:
            console.print(source_line(citation, now), soft_wrap=True, highlight=False)
    voice = (
        answer.voice.name if answer.voice.name == "base" else f"{answer.voice.name}@{answer.voice.version}"
    )
    console.print(
        f"[dim]{escape(answer.model)} · {escape(voice)} · index {answer.index_generation} · "
        f"first text {answer.timings.first_text:.1f} s, whole answer {answer.timings.total:.1f} s[/dim]",
        highlight=False,
        soft_wrap=True,
    )


def source_line(citation: Citation, now: datetime) -> str:
    """One line of Rich markup: marker, title, heading, link, and how fresh the passage is."""
    where = escape(citation.title) + (f" [dim]›[/dim] {escape(citation.heading)}" if citation.heading else "")
    link = f"  [dim]{escape(citation.url or citation.uri)}[/dim]"
    return (
        f"[bold cyan]\\[{citation.marker}][/bold cyan] {where}{link}  "
        f"[green]{freshness(citation, now)}[/green]"
    )


def converse(
    ask: Callable[[Question], Answer],
    console: Console,
    principals: frozenset[str],
    read_line: Callable[[], str | None],
) -> None:
    """Hold a conversation until `read_line` returns None or a word that quits.

    `ask` prints the answer itself, as `show_answer` does.
    """
    console.print("[bold]Lorebot[/bold]: ask about the documents. Ctrl-D or 'exit' leaves.")
    history: list[Turn] = []
    while (line := read_line()) is not None and line.strip().lower() not in QUIT_WORDS:
        if not line.strip():
            continue
        try:
            answer = ask(terminal_question(line, principals, history))
        except QuestionRefusedError as refusal:
            console.print(str(refusal), markup=False)
            continue
        console.print()
        history.append(Turn(answer.question, answer.text))


def read_prompt() -> str | None:
    """Read one line at the prompt; None when the person leaves."""
    try:
        return input("\nyou> ")
    except (EOFError, KeyboardInterrupt):
        return None
