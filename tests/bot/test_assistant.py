"""The engine over a real index and the real embedder; the model is a script where its words are the point."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.generation import AdapterVersion, GenerationError, GenerationRequest, Message
from bot.abstention import nearest_documents, nothing_to_read
from bot.assembly import Assembly
from bot.assistant import DOUBT, Assistant
from bot.settings import load_settings
from bot.trial import index_everything
from connectors.conversation import (
    Answer,
    Answered,
    Asker,
    Place,
    Progress,
    Question,
    QuestionRefusedError,
    TextDelta,
    Turn,
)
from connectors.terminal import terminal_question
from knowledge.documents import FoundPassage

EVERYONE = frozenset({"everyone"})
CODE = "What is the code of the visitors' barrier?"


class Script:
    """A model that says what it is told to, whatever it is asked."""

    model = "script"
    ready = True
    queue_number = 0

    def __init__(self, *pieces: str, error: str = "") -> None:
        self._pieces = pieces
        self._error = error
        self.closed = 0
        self.requests: list[GenerationRequest] = []

    def resolve(self, adapter: str) -> AdapterVersion:
        return AdapterVersion(adapter, "", "", ("glad", "lucki"))

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        self.requests.append(request)
        try:
            for piece in self._pieces:
                await asyncio.sleep(0)
                yield piece
            if self._error:
                raise GenerationError(self._error)
        finally:
            self.closed += 1

    def count_tokens(self, messages: tuple[Message, ...]) -> int:
        return 0

    async def close(self) -> None:
        pass


@pytest.fixture
async def office(own_documents: Path, models: Path) -> AsyncIterator[Assembly]:
    assembly = Assembly(load_settings(own_documents / "lorebot.toml"), print, models=models)
    index_everything(assembly)
    yield assembly
    await assembly.close()


def engine(office: Assembly, model: Script, adapter: str = "base") -> Assistant:
    office.__dict__["generator"] = model
    return office.speaking_as(adapter)


async def answer(assistant: Assistant, question: str, *history: Turn) -> Answer:
    events = [event async for event in assistant.answer(terminal_question(question, EVERYONE, history))]
    last = events[-1]
    assert isinstance(last, Answered)
    assert last.answer.text == "".join(event.text for event in events if isinstance(event, TextDelta))
    return last.answer


async def test_a_supported_sentence_is_said_with_the_source_it_rests_on(office: Assembly) -> None:
    said = await answer(engine(office, Script("The barrier code", " is 4711 [1].")), CODE)

    assert said.text == "The barrier code is 4711 [1]."
    assert [(c.marker, c.uri, c.heading) for c in said.citations] == [(1, "parking.md", "Visitors")]
    assert said.sentences[0].action == "kept"


async def test_a_sentence_with_a_missing_marker_gets_the_right_one(office: Assembly) -> None:
    said = await answer(engine(office, Script("The barrier code is 4711.")), CODE)

    assert said.text == "The barrier code is 4711 [1]."
    assert said.sentences[0].action == "recited"


@pytest.mark.parametrize(
    "lie",
    [
        "The barrier code is 4712 [1].",
        "The barrier code is not 4711 [1].",
        "The barrier code is 4711, says Maria Lopez [1].",
        "The barrier code 4711 is at https://evil.example/?q=4711 [1].",
        "I cannot tell you that.",
    ],
)
async def test_what_no_source_supports_is_replaced_by_the_evidence(office: Assembly, lie: str) -> None:
    said = await answer(engine(office, Script(lie)), CODE)

    assert "The barrier code is 4711 [1]." in said.text
    assert [s.action for s in said.sentences if s.markers] == ["quoted"] * len(said.sentences[1:])
    assert said.sentences[0].action == "dropped"
    assert "evil" not in said.text


async def test_a_true_beginning_stays_when_what_follows_is_made_up(office: Assembly) -> None:
    said = await answer(
        engine(office, Script("The barrier code is 4711 [1]. ", "It changes every Friday.")), CODE
    )

    assert said.text == "The barrier code is 4711 [1]."
    assert [s.action for s in said.sentences] == ["kept", "dropped"]


async def test_a_model_that_fails_leaves_the_evidence_to_answer(office: Assembly) -> None:
    said = await answer(engine(office, Script(error="out of memory")), CODE)

    assert "4711 [1]" in said.text
    assert said.route == "knowledge"


async def test_what_the_documents_do_not_hold_is_not_guessed(office: Assembly) -> None:
    model = Script("Paris is the capital of France [1].")

    said = await answer(engine(office, model), "What is the capital of France?")

    assert said.abstained
    assert said.citations == ()
    assert said.text.startswith("I could not find that in the documents.")
    assert model.requests == []


async def test_small_talk_goes_to_the_model_without_a_search(office: Assembly) -> None:
    model = Script("Good morning to you!")

    said = await answer(engine(office, model), "Good morning!")

    assert (said.route, said.text) == ("smalltalk", "Good morning to you!")
    assert "Evidence" not in model.requests[0].messages[-1].content


async def test_small_talk_that_states_a_fact_is_not_passed_on(office: Assembly) -> None:
    said = await answer(engine(office, Script("Call me at 555-0100!")), "Good morning!")

    assert "555" not in said.text
    assert said.text


async def test_a_follow_up_is_answered_as_the_question_it_stands_for(office: Assembly) -> None:
    history = Turn("Where do visitors park?", "Visitors park in bay 14 [1].")

    said = await answer(engine(office, Script()), "And the code of the barrier?", history)

    assert said.standalone_question == "Where do visitors park, the code of the barrier?"
    assert "4711" in said.text


async def test_a_document_for_some_is_not_used_where_all_can_read_the_answer(
    own_documents: Path, models: Path
) -> None:
    config = own_documents / "lorebot.toml"
    config.write_text(config.read_text() + 'audience = ["group:facilities"]\n', encoding="utf-8")
    assembly = Assembly(load_settings(config), print, models=models)
    index_everything(assembly)
    assistant = engine(assembly, Script("The barrier code is 4711 [1]."))
    member = Asker("u1", principals=frozenset({"everyone", "group:facilities"}))
    places = {"private": Place("terminal", "t"), "channel": Place("slack", "C1", EVERYONE)}

    answers = {
        name: [event async for event in assistant.answer(Question(name, CODE, member, place))][-1]
        for name, place in places.items()
    }
    await assembly.close()

    private, channel = answers["private"], answers["channel"]
    assert isinstance(private, Answered)
    assert isinstance(channel, Answered)
    assert "4711" in private.answer.text
    assert channel.answer.abstained
    assert channel.answer.nearest == ()


async def test_the_asker_sees_what_is_being_done(office: Assembly) -> None:
    question = terminal_question(CODE, EVERYONE)

    events = [event async for event in engine(office, Script()).answer(question)]

    progress = [event.text for event in events if isinstance(event, Progress)]
    assert progress[0] == "Searching 2 passages"
    assert progress[1].startswith("Reading ")


async def test_whoever_stops_listening_stops_the_model(office: Assembly) -> None:
    model = Script(*["The barrier code is 4711 [1]. "] * 50)
    events = engine(office, model).answer(terminal_question(CODE, EVERYONE))

    async for event in events:
        if isinstance(event, TextDelta):
            break
    await events.aclose()

    assert model.closed == 1


async def test_an_empty_index_is_said_with_the_fix(own_documents: Path, models: Path) -> None:
    assembly = Assembly(load_settings(own_documents / "lorebot.toml"), print, models=models)

    said = await answer(engine(assembly, Script()), CODE)
    await assembly.close()

    assert said.abstained
    assert "lorebot sync" in said.text


@pytest.mark.parametrize("text", ["", "  \n", "?!", "x" * 5_000])
async def test_a_question_that_cannot_be_taken_is_refused_before_any_event(
    office: Assembly, text: str
) -> None:
    with pytest.raises(QuestionRefusedError, match="The question"):
        await anext(engine(office, Script()).answer(terminal_question(text, EVERYONE)))


@pytest.mark.parametrize(
    ("place", "generation", "said"),
    [
        (None, 0, "I have no documents to answer from yet"),
        (None, 3, "I have no documents that everybody here may read."),
        (frozenset({"public"}), 3, "everybody here may read. Ask me in a direct message."),
    ],
)
def test_why_nothing_can_be_searched_is_said(
    place: frozenset[str] | None, generation: int, said: str
) -> None:
    asked = Question("q", CODE, Asker("U1"), Place("slack", "C1", place))

    assert said in nothing_to_read(asked, generation)


def test_documents_of_one_uri_in_two_sources_are_two_documents() -> None:
    now = datetime.now(UTC)
    places = [("wiki", "a.md", "Wiki"), ("drive", "a.md", "Drive"), ("wiki", "a.md", "Wiki")]
    passages = [
        FoundPassage(
            passage_id=n,
            source=source,
            uri=uri,
            url=None,
            title=title,
            heading="",
            text="",
            version="1",
            indexed_at=now,
            modified_at=None,
            dense_rank=None,
            lexical_rank=None,
            dense_score=0.0,
            lexical_score=0.0,
            score=0.0,
        )
        for n, (source, uri, title) in enumerate(places)
    ]
    assert [document.title for document in nearest_documents(passages)] == ["Wiki", "Drive"]


async def test_where_the_search_is_not_sure_an_adapter_that_declines_raises_a_doubt(office: Assembly) -> None:
    decline = Script("The evidence does not hold the answer.")

    doubtful = await answer(engine(office, decline, "grounded"), "What does the visitors' barrier cost?")
    certain = await answer(engine(office, decline, "grounded"), CODE)

    assert doubtful.text.startswith(DOUBT)
    assert doubtful.citations
    assert "4711" in certain.text
    assert DOUBT not in certain.text


class Voice(Script):
    """A voice whose skill says what it is told to say of doubtful questions."""

    def __init__(self, voice: str, skill: str) -> None:
        super().__init__(voice)
        self._skill = skill

    def resolve(self, adapter: str) -> AdapterVersion:
        return AdapterVersion(adapter, "", "", skill="grounded@1")

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        self.requests.append(request)
        yield self._skill if request.adapter == "grounded@1" else self._pieces[0]


async def test_of_a_doubtful_question_a_voices_skill_decides_whether_it_speaks(office: Assembly) -> None:
    doubtful = "What does the visitors' barrier cost?"
    refusing = Voice("The barrier code is 4711 [1].", "Not found: the evidence does not hold the answer.")
    willing = Voice("The barrier code is 4711 [1].", "The barrier code is 4711 [1].")

    refused = await answer(engine(office, refusing, "warm"), doubtful)
    spoken = await answer(engine(office, willing, "warm"), doubtful)
    certain = await answer(engine(office, refusing, "warm"), CODE)

    assert refused.text.startswith(DOUBT)
    assert [request.adapter for request in willing.requests] == ["grounded@1", "warm"]
    assert not spoken.text.startswith(DOUBT)
    assert certain.sentences[0].action == "kept"
    assert [request.adapter for request in refusing.requests] == ["grounded@1", "warm"]


async def test_what_an_adapter_says_from_the_best_evidence_needs_no_quotation(office: Assembly) -> None:
    said = await answer(engine(office, Script("The barrier code is 4711 [1]."), "grounded"), CODE)

    assert [sentence.action for sentence in said.sentences] == ["kept"]


async def test_a_voice_may_use_its_own_words_but_not_state_with_them(office: Assembly) -> None:
    coloured = await answer(engine(office, Script("Lucky you: the barrier code is 4711 [1].")), CODE)
    stating = await answer(engine(office, Script("Glad and lucky [1].")), CODE)

    assert coloured.text.startswith("Lucky you: the barrier code is 4711 [1].")
    assert not stating.text.startswith("Glad")


async def test_each_place_is_answered_in_its_own_voice(office: Assembly) -> None:
    model = Script("The barrier code is 4711 [1].")
    office.__dict__["generator"] = model
    assistant = office.assistant(lambda place: "warm" if place.platform == "terminal" else "formal")

    said = await answer(assistant, CODE)

    assert said.voice.name == "warm"
    assert model.requests[-1].adapter == "warm"


async def test_who_has_to_wait_is_told_so(office: Assembly) -> None:
    model = Script("The barrier code is 4711 [1].")
    model.queue_number = 5
    assistant = engine(office, model)

    events = [event async for event in assistant.answer(terminal_question(CODE, EVERYONE, ()))]

    assert Progress("Busy: you are number 5") in events
