"""Whether an adapter may speak: the figures that were measured of it, held against bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import fmean, stdev

from pydantic import JsonValue

from adapters.memorisation import Memorisation

# The speakers that are measured: the base also with five examples of the voice in its prompt.
ADAPTER, PARENT, BASE_MODEL, FIVE_EXAMPLES = "adapter", "parent", "base", "five examples"
_NAMED = {
    PARENT: "its parent",
    BASE_MODEL: "the base model",
    FIVE_EXAMPLES: "the base model with five examples in its prompt",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an adapter must reach.

    `told_from_base`, `told_from_parent`: share of replies that a classifier of style puts on the right side;
    chance is 0.5, and a parent that speaks in the evidence's own words is near to a sober voice.
    `truth_margin`: how much a measure of truth may fall below the parent's. `recited_share`, `recited_words`:
    the largest share of n-grams, and the longest run of words, that may come from the training text.
    `length_factor`: how many times longer or shorter than the examples' the replies may be. `rows`: the
    fewest that can be judged at all.
    """

    told_from_base: float = 0.95
    told_from_parent: float = 0.65
    truth_margin: float = 0.03
    recited_share: float = 0.05
    recited_words: int = 24
    length_factor: float = 1.6
    rows: int = 8


def standard_error(values: Sequence[float], others: Sequence[float]) -> float:
    """The standard error of the difference of two means over the same questions; 0 for a single one."""
    differences = [value - other for value, other in zip(values, others, strict=True)]
    return stdev(differences) / sqrt(len(differences)) if len(differences) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Paired:
    """One measure of truth on the same questions, 0 to 1 for each: the adapter's and its parent's."""

    name: str
    candidate: tuple[float, ...]
    parent: tuple[float, ...]

    @property
    def fall(self) -> float:
        """By how much the adapter's mean lies below the parent's; negative when it is above."""
        return fmean(self.parent) - fmean(self.candidate)

    @property
    def error(self) -> float:
        """The standard error of `fall`, from the differences within each question."""
        return standard_error(self.parent, self.candidate)


@dataclass(frozen=True, slots=True)
class Style:
    """How much of the voice each speaker has.

    `score`: how probably a speaker's replies are in the voice, 0 to 1; `told_from`: the share of replies
    that the same classifier puts on the right side, the adapter's against another speaker's. `score_error`:
    the standard error of the difference between the adapter's score and that of the five examples, from the
    differences within each question. `banned` are terms that were said, `missing` required ones that never
    were.
    """

    score: Mapping[str, float]
    told_from: Mapping[str, float]
    score_error: float = 0.0
    banned: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Speed:
    """Means over the replies; `seconds` is from one reply to the next, while several are under way."""

    tokens: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that was measured of one adapter; mappings are by speaker.

    `parent` is what truth was compared with: `name@version` or `base`. `log_probability` is that of a token
    of the held-out answers, in nats. `style` is None for an adapter that was not trained from another: a
    skill has no voice. `words` and `words_of_examples` are medians over the questions that are answered.
    `engine` are the metrics of `lorebot eval`, where the whole engine was asked.
    """

    parent: str
    rows: int
    log_probability: Mapping[str, float]
    style: Style | None
    truth: tuple[Paired, ...]
    memorisation: Memorisation
    words: float
    words_of_examples: float
    speed: Mapping[str, Speed]
    engine: Mapping[str, Mapping[str, float | int | None]]


@dataclass(frozen=True, slots=True)
class Check:
    """One condition: whether it holds, and a sentence for people with the figure and its bound."""

    about: str
    passed: bool
    sentence: str


def check(measured: Measured, bounds: Bounds) -> tuple[Check, ...]:
    """Hold the figures against the bounds; the adapter may speak when every check passed.

    A measure of truth fails when it lies below the parent's by more than the margin *and* the standard error
    of the paired difference: with forty questions, one more wrong answer says nothing (non-inferiority,
    Piaggio et al. 2012, doi 10.1001/jama.2012.87802). The fewer questions, the more an adapter can lose
    unseen, so each sentence says how many there were.
    """
    enough = Check(
        "rows",
        measured.rows >= bounds.rows,
        f"{measured.rows} held-out examples were measured, and {bounds.rows} are asked for at least",
    )
    return (
        enough,
        *(_style(measured.style, measured.log_probability, bounds) if measured.style else ()),
        *(_truth(paired, measured.parent, bounds) for paired in measured.truth),
        *_memorisation(measured.memorisation, bounds),
        _length(measured, bounds),
    )


def figures(measured: Measured, bounds: Bounds) -> dict[str, JsonValue]:
    """The figures as JSON, rounded, with the bounds they were held against and the checks that were made."""
    values = asdict(measured)
    values["truth"] = {
        paired.name: {
            "adapter": fmean(paired.candidate),
            "parent": fmean(paired.parent),
            "standard_error": paired.error,
            "questions": len(paired.candidate),
        }
        for paired in measured.truth
    }
    values["bounds"] = asdict(bounds)
    values["checks"] = [asdict(one) for one in check(measured, bounds)]
    return {name: _rounded(value) for name, value in values.items()}


def _style(style: Style, log_probability: Mapping[str, float], bounds: Bounds) -> Iterator[Check]:
    own = log_probability[ADAPTER]
    for speaker, other in log_probability.items():
        if speaker != ADAPTER:
            yield Check(
                "style",
                own > other,
                f"a token of the voice's held-out answers has a log-probability of {own:.2f} under it and of "
                f"{other:.2f} under {_NAMED[speaker]}, which must be lower",
            )
    asked_for = {BASE_MODEL: bounds.told_from_base, PARENT: bounds.told_from_parent}
    for speaker, share in style.told_from.items():
        yield Check(
            "style",
            share >= asked_for[speaker],
            f"a classifier of style tells its replies from those of {_NAMED[speaker]} in {share:.0%}, "
            f"and {asked_for[speaker]:.0%} are asked for",
        )
    own, prompted = style.score[ADAPTER], style.score[FIVE_EXAMPLES]
    yield Check(
        "style",
        own > prompted - style.score_error,
        f"its replies are in the voice by {own:.2f}, and those of {_NAMED[FIVE_EXAMPLES]} by {prompted:.2f} "
        f"(standard error of the difference {style.score_error:.2f}), which must not be more",
    )
    if style.banned:
        yield Check("terms", False, f"it says what is banned: {', '.join(style.banned)}")
    if style.missing:
        yield Check("terms", False, f"it never says what is required: {', '.join(style.missing)}")


def _truth(paired: Paired, parent: str, bounds: Bounds) -> Check:
    now, before = fmean(paired.candidate), fmean(paired.parent)
    return Check(
        "truth",
        paired.fall - paired.error <= bounds.truth_margin,
        f"{paired.name}: {now:.3f}, and {before:.3f} for {parent} on the same "
        f"{len(paired.candidate)} questions (standard error of the "
        f"difference {paired.error:.3f}); it may fall by {bounds.truth_margin:.2f}",
    )


def _memorisation(found: Memorisation, bounds: Bounds) -> Iterator[Check]:
    yield Check(
        "memorisation",
        found.share <= bounds.recited_share,
        f"{found.share:.1%} of its phrases are recited from the training text, "
        f"and {bounds.recited_share:.0%} are allowed",
    )
    yield Check(
        "memorisation",
        found.longest <= bounds.recited_words,
        f"its longest recitation from the training text has {found.longest} words, "
        f"and {bounds.recited_words} are allowed" + (f": “{found.recited}”" if found.longest else ""),
    )


def _length(measured: Measured, bounds: Bounds) -> Check:
    shorter, longer = sorted((measured.words, measured.words_of_examples))
    return Check(
        "length",
        longer <= bounds.length_factor * shorter,
        f"its answers have {measured.words:.0f} words (median) and those of the examples "
        f"{measured.words_of_examples:.0f}; {bounds.length_factor:g} times more or fewer are allowed",
    )


def _rounded(value: object) -> JsonValue:
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {str(name): _rounded(entry) for name, entry in value.items()}
    if isinstance(value, Sequence):
        return [_rounded(entry) for entry in value]
    raise TypeError(f"{type(value).__name__} is no figure")
