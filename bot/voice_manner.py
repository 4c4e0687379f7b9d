"""Who speaks when a voice is measured, and how far each speaker's manner is that of the voice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from adapters.dataset import Example
from adapters.evaluation import ADAPTER, BASE_MODEL, FIVE_EXAMPLES, PARENT, Style, standard_error
from adapters.generation import BASE
from adapters.lesson import Lesson
from adapters.registry import InstalledAdapter
from adapters.style import StyleRow, Terms, cross_judged, masked, told_apart, uses
from bot.assembly import Assembly
from bot.citations import parse_markers
from bot.lessons import lesson_as_asked
from bot.replies import Replies, replies
from bot.truth import source_of

# Enough for every answer of the examples' length; a model that rambles is not read to its end.
REPLY_TOKENS = 80

# For each example that is measured, the other speakers reply to so many training questions, so that the
# classifier knows their manner.
OTHERS = 2
# Begins a stage of so many steps; what it gives is called after each.
Step = Callable[[str, int], Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Speaker:
    """An adapter, None for the base, and the prompts that it gets."""

    adapter: InstalledAdapter | None
    lessons: tuple[Lesson, ...]

    @property
    def reference(self) -> str:
        return BASE if self.adapter is None else self.adapter.manifest.reference


def speak(
    assembly: Assembly, speakers: Mapping[str, Speaker], step: Step, stage: str = "Replies"
) -> dict[str, Replies]:
    done = step(stage, sum(len(speaker.lessons) for speaker in speakers.values()))

    async def say() -> dict[str, Replies]:
        return {
            name: await replies(
                assembly.local_generator,
                speaker.reference,
                [lesson.messages for lesson in speaker.lessons],
                REPLY_TOKENS,
                done,
            )
            for name, speaker in speakers.items()
        }

    return asyncio.run(say())


def manner_scores(
    assembly: Assembly,
    held_out: Sequence[Example],
    training: Sequence[Example],
    texts: Mapping[str, Sequence[str]],
    parent: InstalledAdapter,
    step: Step,
) -> dict[str, tuple[float, ...]]:
    """For each speaker, how probably each of its replies is in the voice.

    The classifier learns how the others speak from their replies to training questions too.
    """
    others = [name for name in (PARENT, BASE_MODEL) if name in texts]
    spoken = [example for example in training if is_spoken(example)]
    asked = [spoken[place] for place in evenly(len(spoken), OTHERS * len(held_out))]
    lessons = tuple(lesson_as_asked(example) for example in asked)
    speakers = {PARENT: Speaker(parent, lessons), BASE_MODEL: Speaker(None, lessons)}
    elsewhere = [
        masked(text, source_of(example))
        for replied in speak(assembly, speakers, step, "Replies to learn manners from").values()
        for text, example in zip(replied.texts, asked, strict=True)
    ]
    manner = {
        name: [masked(text, source_of(row)) for text, row in zip(own, held_out, strict=True)]
        for name, own in texts.items()
    }
    rows = [
        StyleRow(
            masked(example.answer, source_of(example)),
            tuple(manner[name][place] for name in others),
            tuple(manner[name][place] for name in texts),
        )
        for place, example in enumerate(held_out)
    ]
    examples = [masked(example.answer, source_of(example)) for example in training]
    judged = cross_judged(rows, examples, elsewhere)
    return dict(zip(texts, zip(*judged, strict=True), strict=True))


def style_of(
    scores: Mapping[str, Sequence[float]], own: Sequence[str], held_out: Sequence[Example], terms: Terms
) -> Style:
    said = list(zip(own, (source_of(example) for example in held_out), strict=True))
    return Style(
        score={name: fmean(values) for name, values in scores.items()},
        told_from={
            name: told_apart(scores[ADAPTER], scores[name]) for name in (BASE_MODEL, PARENT) if name in scores
        },
        score_error=standard_error(scores[ADAPTER], scores[FIVE_EXAMPLES]),
        # What the evidence says may be said, banned or not.
        banned=tuple(
            term
            for term in terms.ban
            if any(uses(term, text) and not uses(term, asked) for text, asked in said)
        ),
        missing=tuple(term for term in terms.require if not any(uses(term, text) for text in own)),
    )


def is_spoken(example: Example) -> bool:
    """Whether the example answers or is small talk."""
    return not example.evidence or bool(parse_markers(example.answer)[1])


def evenly(total: int, wanted: int) -> list[int]:
    return list(range(total)) if total <= wanted else [place * total // wanted for place in range(wanted)]
