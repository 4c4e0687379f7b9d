"""The hybrid engine: route, retrieve, select evidence, generate, verify, answer."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import ExitStack, aclosing

from adapters.generation import AdapterVersion, GenerationError, GenerationRequest, Generator
from bot.abstention import nearest_documents, nothing_found, nothing_to_read
from bot.answerability import ANSWERABLE, answerability
from bot.attachments import Attached
from bot.citations import parse_markers
from bot.courtesy import is_courtesy
from bot.disagreement import is_stated, note, settle
from bot.draft import Draft
from bot.evidence import EvidenceSelector
from bot.prompt import smalltalk_prompt
from bot.quoting import quote, quote_close
from bot.rewriting import Rewriter
from bot.routing import Router
from bot.speaking import AnswerLimits, Speaking, cited_sentences
from bot.work import NOTHING, Found, Index, Library, Stopwatch, Work
from connectors.conversation import (
    Answer,
    Answered,
    AnswerEvent,
    Attachment,
    NearDocument,
    Place,
    Progress,
    Question,
    QuestionRefusedError,
    ReadPassage,
    Route,
    TextDelta,
    Voice,
)
from knowledge.documents import FoundPassage, Reader
from knowledge.terms import content_stems

MAX_QUESTION_CHARACTERS = 4_000
SMALLTALK_TOKENS = 48
SAID_SHARE = 0.6

# A small model that declines is often wrong about it, so what was found is shown all the same.
DOUBT = "I am not sure that the documents answer this; the nearest I found:"


ReadAttachments = Callable[[str, Sequence[Attachment]], Attached]


class Assistant:
    """Answers questions from the index through the active adapter; the port `Answering` of the connectors."""

    def __init__(
        self,
        library: Library,
        router: Router,
        rewriter: Rewriter,
        selector: EvidenceSelector,
        generator: Generator,
        voice_at: Callable[[Place], str],
        limits: AnswerLimits,
        read_attachments: ReadAttachments,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._library = library
        self._router = router
        self._rewriter = rewriter
        self._selector = selector
        self._generator = generator
        self._voice_at = voice_at
        self._limits = limits
        self._read_attachments = read_attachments
        self._clock = clock
        self._speaking = Speaking(generator, limits, clock)

    async def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        """Yield progress, verified text and last `Answered`; see `Answering`.

        Raises `GenerationError` before any event when the adapter is not there.
        """
        text = accept(question.text)
        watch = Stopwatch(self._clock)
        version = await asyncio.to_thread(self._speaker, question.place)
        laps: dict[str, float] = {}
        with ExitStack() as stack:
            index = await asyncio.to_thread(stack.enter_context, self._library.reading())
            smalltalk = not question.attachments and await asyncio.to_thread(self._router.is_smalltalk, text)
            laps["route"] = watch.lap()
            work = Work(question, text, version, index, watch, laps, Draft())
            events = self._chat(work) if smalltalk else self._consult(work)
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, TextDelta):
                        watch.saw_text()
                    yield event

    async def _chat(self, work: Work) -> AsyncGenerator[AnswerEvent, None]:
        """Small talk: the adapter alone, held to courtesies, for nothing checks what else it states."""
        prompt = smalltalk_prompt(work.text, work.question.history)
        request = GenerationRequest(
            prompt, work.speaker.reference, SMALLTALK_TOKENS, on_speaker=work.be_spoken_by
        )
        sentences = cited_sentences(self._generator, request)
        try:
            async with aclosing(sentences):
                async for sentence, _ in sentences:
                    if not states_something(sentence) and is_courtesy(sentence, work.colour):
                        yield TextDelta(work.draft.say(sentence, (), 1.0, "kept"))
                        break
                    work.draft.drop(sentence, 0.0)
        except GenerationError:
            pass  # The sentence below is the answer when the model cannot speak.
        if not work.draft.text:
            yield TextDelta(work.draft.say("Ask me anything about the documents.", (), 1.0, "kept"))
        work.laps["generate"] = work.watch.lap()
        yield Answered(self._finish(work, "smalltalk", work.text))

    async def _consult(self, work: Work) -> AsyncGenerator[AnswerEvent, None]:
        """A question to the documents: retrieve, select, generate, verify; or say that nothing is there."""
        reader = reader_of(work.question)
        count = await asyncio.to_thread(work.index.readable_passages, reader)
        yield Progress(f"Searching {_counted(count, 'passage')}")
        standing = await self._rewriter.rewrite(work.text, work.question.history)
        standing = await asyncio.to_thread(work.index.corrected, standing, reader)
        attached = Attached()
        if work.question.attachments:
            yield Progress(f"Reading {_counted(len(work.question.attachments), 'file')}")
            attached = await asyncio.to_thread(self._read_attachments, standing, work.question.attachments)
        found = await asyncio.to_thread(self._read, work.index, standing, reader, attached.passages)
        work.laps["retrieve"] = work.watch.lap()
        if found.confidence < ANSWERABLE or not found.evidence:
            async for event in self._abstain(work, standing, found, count, attached.problems):
                yield event
            return
        read = {entry.passage.passage_id: entry.passage for entry in found.evidence}
        reading = nearest_documents(tuple(read.values()))
        yield Progress(f"Reading {_counted(len(read), 'passage')}", reading)
        if not self._generator.ready:
            yield Progress("Loading the language model, once")
        if number := self._generator.queue_number:
            yield Progress(f"Busy: you are number {number}")
        async with aclosing(self._speaking.speak(work, standing, found)) as deltas:
            async for delta in deltas:
                yield delta
        for delta in await asyncio.to_thread(self._quote, work, standing, found):
            yield delta
        for delta in (*self._note(work, found), *_noted(work, attached.problems)):
            yield delta
        work.laps["verify"] += work.watch.lap()
        yield Answered(self._finish(work, "knowledge", standing, found))

    async def _abstain(
        self, work: Work, standing: str, found: Found, passages: int, problems: Sequence[str]
    ) -> AsyncGenerator[AnswerEvent, None]:
        """Say that nothing was found, and what lies nearest."""
        nearest = nearest_documents(found.passages)
        text = nothing_found(nearest, self._limits.ask_instead)
        if not passages:
            text = nothing_to_read(work.question, work.index.generation())
        yield TextDelta(work.draft.say(text, (), 1.0, "kept"))
        for delta in _noted(work, problems):
            yield delta
        yield Answered(self._finish(work, "abstain", standing, found, nearest))

    def _speaker(self, place: Place) -> AdapterVersion:
        return self._generator.resolve(self._voice_at(place))

    def _read(self, index: Index, standing: str, reader: Reader, attached: Sequence[FoundPassage]) -> Found:
        indexed = index.find(standing, reader, self._limits.passages)
        # Both are scored alike.
        passages = tuple(sorted((*attached, *indexed), key=lambda p: -p.score)) if attached else indexed
        weights = index.term_weights(standing)
        evidence = self._selector.select(standing, passages, weights, self._limits.evidence)
        confidence = answerability(standing, evidence, passages, weights) if evidence else 0.0
        settled = settle(standing, evidence)
        return Found(passages, settled.evidence, confidence, settled.disagreements)

    def _quote(self, work: Work, standing: str, found: Found) -> list[TextDelta]:
        """What the evidence says and the model has not.

        An adapter is trained to choose: to that, only evidence is added which ranks first or nearly so. What
        the untouched model says is always completed.
        """
        has_chosen = work.is_trained and bool(work.rests_on)
        chosen = quote_close if has_chosen else quote
        deltas = []
        if work.declined:
            deltas.append(TextDelta(work.draft.say(DOUBT, (), 1.0, "noted")))
        for piece in chosen(standing, found.evidence, self._limits.max_words):
            if (has_chosen and piece.marker in work.rests_on) or is_said(piece.text, work.draft.text):
                continue
            passage = found.evidence[piece.marker - 1].passage
            # A marker that stands in a document would read as one of this answer's.
            text, _ = parse_markers(piece.text)
            deltas.append(TextDelta(work.draft.say(text, (passage,), 1.0, "quoted")))
        return deltas

    def _note(self, work: Work, found: Found) -> list[TextDelta]:
        """What another document says instead of the answer, with both dates; at most one sentence."""
        for entry in found.disagreements:
            passages = (entry.held.passage, entry.other.passage)
            if work.draft.cites(entry.held.passage) and is_stated(entry, work.draft.text):
                return [TextDelta(work.draft.say(note(entry), passages, 1.0, "noted"))]
        return []

    def _finish(
        self,
        work: Work,
        route: Route,
        standing: str,
        found: Found = NOTHING,
        nearest: tuple[NearDocument, ...] = (),
    ) -> Answer:
        return Answer(
            id=uuid.uuid4().hex,
            question=work.question.text,
            standalone_question=standing,
            text=work.draft.text,
            route=route,
            citations=tuple(work.draft.citations),
            nearest=nearest,
            sentences=tuple(work.draft.sentences),
            voice=Voice(work.speaker.name, work.speaker.version, work.speaker.hash),
            model=work.model or self._generator.model,
            index_generation=work.index.generation(),
            timings=work.watch.timings(work.laps),
            confidence=found.confidence,
            read=tuple(
                ReadPassage(p.title, p.heading, p.url, p.text, p.score) for p in found.passages if p.source
            ),
        )


def accept(text: str) -> str:
    """Return the question's text made clean. Raises `QuestionRefusedError` when there is nothing to ask."""
    clean = " ".join(text.replace("\0", " ").split())
    if not any(character.isalnum() for character in clean):
        raise QuestionRefusedError("The question is empty; write what you want to know.")
    if len(clean) > MAX_QUESTION_CHARACTERS:
        raise QuestionRefusedError(
            f"The question has {len(clean):,} characters; {MAX_QUESTION_CHARACTERS:,} is the limit. "
            "Ask its heart in a few sentences."
        )
    return clean


def reader_of(question: Question) -> Reader:
    """Everyone who will read the answer: the asker, and whoever reads the place it is posted in."""
    own = question.asker.principals
    place = question.place.principals
    return Reader((own,) if place is None else (own, place))


def states_something(sentence: str) -> bool:
    """Whether a sentence of small talk holds what only a source may say: a number, a link, an address."""
    return any(character.isdigit() for character in sentence) or any(
        sign in sentence for sign in ("http", "www.", "@", "](", "<")
    )


def is_said(piece: str, text: str) -> bool:
    """Whether a text holds most of a piece's content already."""
    content = set(content_stems(piece))
    return len(content & set(content_stems(text))) >= SAID_SHARE * len(content)


def _noted(work: Work, problems: Sequence[str]) -> list[TextDelta]:
    """What the engine says of files that it could not read."""
    return [TextDelta(work.draft.say(problem, (), 1.0, "noted")) for problem in problems]


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
