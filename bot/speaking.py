"""What the model says of the evidence, for as long as it is supported and to the point."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from adapters.generation import GenerationError, GenerationRequest, Generator
from bot.answerability import CERTAINLY_ANSWERABLE
from bot.citations import SentenceStream, answers, verify
from bot.declining import declines
from bot.draft import Draft
from bot.evidence import Evidence
from bot.prompt import answering_prompt, grounded_prompt
from bot.reading_material import ReadingMaterial, best_sentences
from bot.work import Found, Work
from connectors.conversation import TextDelta

MAX_SENTENCES = 3
DECISION_TOKENS = 24


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """How many passages are read, how many pieces of evidence they give, what the model reads and says."""

    passages: int = 8
    evidence: int = 5
    max_words: int = 90
    max_new_tokens: int = 120
    ask_instead: str | None = None
    read: Callable[[Sequence[Evidence]], ReadingMaterial] = best_sentences


class Speaking:
    """Puts the evidence to the model, and lets through what verification finds supported."""

    def __init__(self, generator: Generator, limits: AnswerLimits, clock: Callable[[], float]) -> None:
        self._generator = generator
        self._limits = limits
        self._clock = clock

    async def speak(self, work: Work, standing: str, found: Found) -> AsyncGenerator[TextDelta, None]:
        """The model's own words, sentence by sentence, for as long as they are supported and to the point."""
        read = self._limits.read(found.evidence)
        doubtful = found.confidence < CERTAINLY_ANSWERABLE
        if doubtful and work.speaker.skill:
            work.declined = await self._is_declined_by(work.speaker.skill, standing, read.shown)
            if work.declined:
                work.laps["verify"], work.laps["generate"] = 0.0, work.watch.lap()
                return
        may_decline = work.is_trained and doubtful and not work.speaker.skill
        asks = answering_prompt if work.speaker.skill or not doubtful else grounded_prompt
        prompt = asks(standing, read.shown)
        request = GenerationRequest(
            prompt, work.speaker.reference, self._limits.max_new_tokens, on_speaker=work.be_spoken_by
        )
        sentences = cited_sentences(self._generator, request)
        verifying = 0.0
        try:
            async with aclosing(sentences):
                async for sentence, markers in sentences:
                    began = self._clock()
                    cited = read.evidence_of(markers)
                    verdict = verify(sentence, cited, found.evidence, work.colour)
                    useful = verdict.supported and answers(
                        standing, sentence, found.evidence, verdict.markers
                    )
                    verifying += self._clock() - began
                    if not useful:
                        work.draft.drop(sentence, verdict.support)
                        work.declined = may_decline and not work.draft.text and declines(sentence, markers)
                        break
                    work.rests_on.update(verdict.markers)
                    passages = tuple(found.evidence[marker - 1].passage for marker in verdict.markers)
                    yield TextDelta(work.draft.say(sentence, passages, verdict.support, verdict.action))
                    if self._is_enough(work.draft):
                        break
        except GenerationError:
            pass  # What stands so far is true; where nothing stands, the evidence is quoted.
        work.laps["verify"] = verifying
        work.laps["generate"] = work.watch.lap() - verifying

    async def _is_declined_by(self, skill: str, standing: str, read: Sequence[tuple[str, str]]) -> bool:
        """Whether a voice's skill finds no answer: the voice speaks, what it was trained from decides."""
        sentences = cited_sentences(
            self._generator, GenerationRequest(grounded_prompt(standing, read), skill, DECISION_TOKENS)
        )
        try:
            async with aclosing(sentences):
                async for sentence, markers in sentences:
                    return declines(sentence, markers)
        except GenerationError:
            pass  # Without its skill the voice answers.
        return False

    def _is_enough(self, draft: Draft) -> bool:
        return len(draft.sentences) >= MAX_SENTENCES or draft.words >= self._limits.max_words


async def cited_sentences(
    generator: Generator, request: GenerationRequest
) -> AsyncGenerator[tuple[str, tuple[int, ...]], None]:
    """Each sentence that a model writes, without its markers, and these; as soon as it is complete."""
    stream = SentenceStream()
    pieces = generator.stream(request)
    async with aclosing(pieces):
        async for piece in pieces:
            for sentence in stream.feed(piece):
                yield sentence.text, sentence.markers
    for sentence in stream.finish():
        yield sentence.text, sentence.markers
