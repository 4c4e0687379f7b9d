"""Measures one adapter beside its parent, the base model, and the base with examples in its prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median

from adapters.base_model import prepare_base
from adapters.chat import ChatTokenizer
from adapters.dataset import Example, normal, split
from adapters.evaluation import (
    ADAPTER,
    BASE_MODEL,
    FIVE_EXAMPLES,
    PARENT,
    Measured,
    Paired,
    Speed,
)
from adapters.few_shot import few_shot
from adapters.generation import BASE
from adapters.memorisation import TrainingText
from adapters.registry import InstalledAdapter
from adapters.style import NO_TERMS, Terms
from bot.assembly import Assembly
from bot.citations import parse_markers
from bot.evaluation import EvaluationError, Outcome, QuestionRow, measure
from bot.lessons import lesson_as_asked, lesson_of
from bot.replies import Replies
from bot.trial import run_trials
from bot.truth import Judged, judge, paired, source_of
from bot.voice_manner import Speaker, Step, evenly, is_spoken, manner_scores, speak, style_of

_ENGINE_MEASURES = {
    "answer_match": "engine: answer matches",
    "citation_precision": "engine: cites the right passage",
    "abstained_when_unanswerable": "engine: abstains",
    "answered_when_answerable": "engine: answers",
}


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """What an adapter is measured on.

    `examples` are all those it was trained with: the part that `split` holds out is measured. `copy` are
    further texts of its training. With `questions`, the whole engine is asked about the documents in `docs`.
    """

    examples: tuple[Example, ...]
    copy: tuple[str, ...] = ()
    terms: Terms = NO_TERMS
    questions: tuple[QuestionRow, ...] = ()
    docs: Path | None = None


@dataclass(frozen=True, slots=True)
class SideBySide:
    """What each speaker said to one example's prompt, what is wrong with it, and how far it is in the voice.

    The three are by speaker, as in `adapters.evaluation`; `scores` is empty where no voice was measured.
    """

    example: Example
    said: Mapping[str, str]
    faults: Mapping[str, tuple[str, ...]]
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class EngineAnswers:
    """What the whole engine answered to one question, by speaker."""

    question: QuestionRow
    said: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Measurement:
    """The figures of one adapter, and what they were taken from."""

    measured: Measured
    replies: tuple[SideBySide, ...]
    answers: tuple[EngineAnswers, ...]


def measure_adapter(
    assembly: Assembly,
    adapter: InstalledAdapter,
    parent: InstalledAdapter | None,
    measured_on: EvaluationSet,
    rows: int,
    step: Step,
) -> Measurement:
    """Measure `adapter` on at most `rows` held-out examples, spread evenly, and on the questions.

    Of one with a parent, examples that decline are left out: its skill decides that, and says it to nobody.
    `step` begins a stage of that many steps; what it returns is called after each, and may raise, which ends
    the work. Blocks for minutes. Raises `EvaluationError` and `GenerationError`.
    """
    parts = split(measured_on.examples)
    kept = [row for row in parts.held_out if parent is None or is_spoken(row)]
    if len(kept) < 2:
        raise EvaluationError(
            f"{len(kept)} of {len(measured_on.examples)} examples are held out, too few; "
            "give the whole file that the adapter was trained on"
        )
    held_out = [kept[place] for place in evenly(len(kept), rows)]
    speakers = _speakers(adapter, parent, held_out, parts.training)
    likelihood = _likelihoods(assembly, speakers, step)
    said = speak(assembly, speakers, step)
    texts = {name: spoken.texts for name, spoken in said.items()}
    judged = {name: [judge(*pair) for pair in zip(held_out, own, strict=True)] for name, own in texts.items()}
    scores = manner_scores(assembly, held_out, parts.training, texts, parent, step) if parent else {}
    before = PARENT if parent else BASE_MODEL
    engine = _engine(assembly, measured_on, {ADAPTER: adapter, before: parent}, step)
    training = TrainingText([*(example.answer for example in parts.training), *measured_on.copy])
    answered = [place for place, example in enumerate(held_out) if parse_markers(example.answer)[1]]
    measured = Measured(
        parent=BASE if parent is None else parent.manifest.reference,
        rows=len(held_out),
        log_probability=likelihood,
        style=style_of(scores, texts[ADAPTER], held_out, measured_on.terms) if scores else None,
        truth=(
            *paired([one.measures for one in judged[ADAPTER]], [one.measures for one in judged[before]]),
            *_engine_truth(engine, before),
        ),
        memorisation=training.memorised(
            [(text, source_of(example)) for text, example in zip(texts[ADAPTER], held_out, strict=True)]
        ),
        words=_median_words([texts[ADAPTER][place] for place in answered]),
        words_of_examples=_median_words([held_out[place].answer for place in answered]),
        speed=_speeds(assembly, said),
        engine={name: measure(outcomes) for name, outcomes in engine.items()},
    )
    return Measurement(measured, _side_by_side(held_out, texts, judged, scores), _engine_answers(engine))


def _speakers(
    adapter: InstalledAdapter,
    parent: InstalledAdapter | None,
    held_out: Sequence[Example],
    training: Sequence[Example],
) -> dict[str, Speaker]:
    lessons = tuple(lesson_as_asked(example) for example in held_out)
    speakers = {ADAPTER: Speaker(adapter, lessons)}
    if parent is not None:
        speakers[PARENT] = Speaker(parent, lessons)
    speakers[BASE_MODEL] = Speaker(None, lessons)
    if parent is not None:
        taught = [lesson_of(example) for example in training]
        shown = tuple(replace(one, messages=few_shot(one.messages, taught)) for one in lessons)
        speakers[FIVE_EXAMPLES] = Speaker(None, shown)
    return speakers


def _likelihoods(assembly: Assembly, speakers: Mapping[str, Speaker], step: Step) -> dict[str, float]:
    from adapters.base_model import load_base
    from adapters.likelihood import per_token, reply_likelihoods
    from adapters.lora import LoadedAdapters

    generation = assembly.settings.generation
    done = step("Likelihood", sum(len(speaker.lessons) for speaker in speakers.values()))
    base = load_base(
        assembly.base_location, assembly.layout.models, generation.dtype, generation.threads or None
    )
    adapters = LoadedAdapters(base, max_loaded=1)
    found = {}
    for name, speaker in speakers.items():
        with adapters.speaking_as(speaker.adapter) as model:
            found[name] = per_token(reply_likelihoods(model, base.tokenizer, speaker.lessons, done))
    return found


def _engine(
    assembly: Assembly,
    measured_on: EvaluationSet,
    adapters: Mapping[str, InstalledAdapter | None],
    step: Step,
) -> dict[str, list[Outcome]]:
    if measured_on.docs is None:
        return {}
    learned = {normal(example.question) for example in measured_on.examples}
    rows = [row for row in measured_on.questions if normal(row.question) not in learned]
    if not rows:
        raise EvaluationError("the adapter was trained on every one of these questions; ask it others")
    done = step("Questions to the engine", len(rows) * len(adapters))
    references = [one.manifest.reference if one else BASE for one in adapters.values()]
    outcomes = run_trials(assembly.settings, measured_on.docs, rows, references, done)
    return dict(zip(adapters, outcomes, strict=True))


def _engine_truth(engine: Mapping[str, Sequence[Outcome]], before: str) -> tuple[Paired, ...]:
    if not engine:
        return ()
    return paired(_each(engine[ADAPTER]), _each(engine[before]))


def _each(outcomes: Sequence[Outcome]) -> list[dict[str, float]]:
    """The measures of every question alone."""
    found = []
    for outcome in outcomes:
        metrics = measure([outcome])
        measures = {
            name: float(value)
            for key, name in _ENGINE_MEASURES.items()
            if (value := metrics[key]) is not None
        }
        found.append(measures | {"engine: nothing unsupported": float(not metrics["unsupported_sentences"])})
    return found


def _speeds(assembly: Assembly, said: Mapping[str, Replies]) -> dict[str, Speed]:
    base = prepare_base(assembly.base_location, assembly.layout.models)
    tokenizer = ChatTokenizer.from_folder(base.folder)
    return {
        name: Speed(
            fmean(len(tokenizer.encode_reply(text)) for text in spoken.texts),
            spoken.seconds / len(spoken.texts),
        )
        for name, spoken in said.items()
    }


def _side_by_side(
    held_out: Sequence[Example],
    texts: Mapping[str, Sequence[str]],
    judged: Mapping[str, Sequence[Judged]],
    scores: Mapping[str, Sequence[float]],
) -> tuple[SideBySide, ...]:
    return tuple(
        SideBySide(
            example,
            {name: own[place] for name, own in texts.items()},
            {name: own[place].faults for name, own in judged.items()},
            {name: own[place] for name, own in scores.items()},
        )
        for place, example in enumerate(held_out)
    )


def _engine_answers(engine: Mapping[str, Sequence[Outcome]]) -> tuple[EngineAnswers, ...]:
    together = zip(*engine.values(), strict=True)
    return tuple(
        EngineAnswers(
            outcomes[0].row,
            {
                name: outcome.answer.text if outcome.answer else ""
                for name, outcome in zip(engine, outcomes, strict=True)
            },
        )
        for outcomes in together
    )


def _median_words(texts: Sequence[str]) -> float:
    return float(median(len(parse_markers(text)[0].split()) for text in texts)) if texts else 0.0
