"""No part of an answer tells of a document that one of its readers may not see, whoever asks where."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.generation import AdapterVersion, GenerationRequest, Message
from bot.assembly import Assembly
from bot.assistant import Assistant, reader_of
from bot.settings import load_settings
from bot.trial import index_everything
from connectors.conversation import Answered, AnswerEvent, Asker, Place, Progress, Question, TextDelta
from knowledge.documents import Reader

# Of each source: who may read it, and a document that nothing else in the index speaks of. Capitalised names
# with a digit in them are the document's own.
SOURCES = {
    "open": ("everyone", "Parking Lot7", "Visitors park in bay Bay14. The barrier code is Code4711."),
    "board": ("group:board", "Takeover Plan9", "The takeover of Falcon8 costs Sum92 euros, due in Month5."),
    "hr": ("group:hr", "Salaries Year26", "The salary of the barrier guard Ana3 is Pay3100 euros a month."),
    "legal": ("group:legal", "Lawsuit Case5", "The lawsuit about the parking bay Bay77 is heard by Judge6."),
}  # fmt: skip
GROUPS = [audience for audience, _, _ in SOURCES.values()]
QUESTIONS = [
    "What is the code of the visitors' barrier?",
    "What does the takeover cost, and when is it due?",
    "What is the salary of the barrier guard?",
    "Who hears the lawsuit about the parking bay?",
    "Which documents do you have?",
    "What is Falcon8?",
    "Tell me about Salaries Year26",
    "How is the weather on the moon?",
    "Good morning!",
]
OWN = re.compile(r"\b[A-Z][a-z]+\d+\b|\b(?:open|board|hr|legal)[a-z]*\.md")
GOSSIP = [f"{text} [1]" for _, _, text in SOURCES.values()]


class Gossip:
    """A model that has heard everything somewhere, and says it in an order of its own."""

    model = "gossip"
    ready = True
    queue_number = 0

    def __init__(self, says: str) -> None:
        self._says = says
        self.requests: list[GenerationRequest] = []

    def resolve(self, adapter: str) -> AdapterVersion:
        return AdapterVersion(adapter, "", "")

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        self.requests.append(request)
        yield self._says

    def count_tokens(self, messages: tuple[Message, ...]) -> int:
        return 0

    async def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Assembly]:
    folder = tmp_path_factory.mktemp("company")
    lines = ['home = "home"']
    for source, (audience, title, text) in SOURCES.items():
        (folder / source).mkdir()
        (folder / source / f"{source}notes.md").write_text(f"# {title}\n\n{text}\n", encoding="utf-8")
        lines += ["[[sources]]", f'name = "{source}"', 'kind = "folder"', f'path = "{source}"']
        lines += [f'audience = ["{audience}"]']
    config = folder / "lorebot.toml"
    config.write_text("\n".join(lines), encoding="utf-8")
    assembly = Assembly(load_settings(config), print, models=models)
    index_everything(assembly)
    yield assembly
    asyncio.run(assembly.close())


def own_names(readable: set[str]) -> set[str]:
    """The names that only the documents of these sources hold."""
    return {
        name
        for source in readable
        for name in OWN.findall(f"{SOURCES[source][1]} {SOURCES[source][2]} {source}notes.md")
    }


async def events_of(assistant: Assistant, question: Question) -> list[AnswerEvent]:
    return [event async for event in assistant.answer(question)]


people = st.sets(st.sampled_from(GROUPS)).map(frozenset)
questions = st.builds(
    lambda text, asker, there: Question(
        "q",
        text,
        Asker("U1", principals=asker),
        Place("slack", "C1", there),
    ),
    st.sampled_from(QUESTIONS),
    people,
    st.none() | people,
)


@settings(max_examples=50, deadline=None)
@given(question=questions, gossip=st.permutations(GOSSIP).map(" ".join))
def test_nothing_in_an_answer_tells_of_a_document_that_not_all_its_readers_may_see(
    company: Assembly, question: Question, gossip: str
) -> None:
    there = question.place.principals
    readable = {
        source
        for source, (audience, _, _) in SOURCES.items()
        if audience in question.asker.principals and (there is None or audience in there)
    }
    model = Gossip(gossip)
    company.__dict__["generator"] = model

    events = asyncio.run(events_of(company.speaking_as("base"), question))

    *_, last = events
    assert isinstance(last, Answered)
    answer = last.answer
    said = [sentence for sentence in answer.sentences if sentence.action != "dropped"]
    shown = [event.text for event in events if isinstance(event, Progress | TextDelta)]
    searched = [event.text for event in events if isinstance(event, Progress) and "Searching" in event.text]
    assert all(line.startswith(f"Searching {len(readable)} passage") for line in searched)
    told = repr([shown, answer.text, answer.citations, answer.nearest, said, model.requests])
    assert set(OWN.findall(told)) - set(OWN.findall(question.text)) <= own_names(readable)
    assert {named.uri for named in (*answer.citations, *answer.nearest)} <= {f"{s}notes.md" for s in readable}


@pytest.mark.parametrize("source", SOURCES)
def test_an_answer_rests_on_a_document_that_all_its_readers_may_see(company: Assembly, source: str) -> None:
    audience, _, _ = SOURCES[source]
    asker = Asker("U1", principals=frozenset({audience}))
    text = dict(zip(SOURCES, QUESTIONS, strict=False))[source]
    company.__dict__["generator"] = Gossip("")
    question = Question("q", text, asker, Place("slack", "C1", frozenset({audience, "group:other"})))

    *_, last = asyncio.run(events_of(company.speaking_as("base"), question))

    assert isinstance(last, Answered)
    assert {citation.uri for citation in last.answer.citations} == {f"{source}notes.md"}


@given(asker=people, there=people)
def test_the_place_counts_beside_the_asker_unless_only_the_asker_reads(
    asker: frozenset[str], there: frozenset[str]
) -> None:
    someone = Asker("U1", principals=asker)
    alone, among_others = Place("slack", "D1"), Place("slack", "C1", there)
    assert reader_of(Question("q", "?", someone, alone)) == Reader((asker,))
    assert reader_of(Question("q", "?", someone, among_others)) == Reader((asker, there))
