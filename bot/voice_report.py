"""What was measured of an adapter as one page for a browser, which needs nothing else and fetches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from adapters.evaluation import Check
from adapters.manifest import AdapterManifest
from adapters.verdict import Verdict

if TYPE_CHECKING:
    from bot.voice_comparison import Comparison
    from bot.voice_measurement import Measurement

_ENGINE_METRICS = (
    "answer_match",
    "citation_precision",
    "citation_recall",
    "quoted_share",
    "seconds_per_answer",
)
_STRIP_LEFT, _STRIP_RIGHT = 120, 680
_PLOT = (50, 10, 690, 220)


@dataclass(frozen=True, slots=True)
class _Dot:
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class _Strip:
    """The replies of one speaker along the scale from another speaker to the voice."""

    name: str
    colour: int
    dots: tuple[_Dot, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    colour: int
    points: str


@dataclass(frozen=True, slots=True)
class _Curves:
    """Lines over the steps of training, in the coordinates of the picture, and the ends of its axes."""

    lines: tuple[_Line, ...]
    lowest: float
    highest: float
    last_step: float


def render_evaluation(
    card: AdapterManifest, verdict: Verdict, checks: Sequence[Check], measurement: Measurement
) -> str:
    """The report of an evaluation: verdict and reasons, figures, plots and every answer side by side."""
    measured = measurement.measured
    speakers = tuple(measured.log_probability)
    return _render(
        "evaluation.html",
        card=card,
        verdict=verdict,
        checks=checks,
        measured=measured,
        speakers=speakers,
        colours={name: place for place, name in enumerate(speakers)},
        engine_metrics=_ENGINE_METRICS if measured.engine else (),
        strips=_strips(speakers, [row.scores for row in measurement.replies]),
        curves=_curves(card.metrics),
        replies=measurement.replies,
        answers=measurement.answers,
        fields=_fields(card),
    )


def render_comparison(comparison: Comparison) -> str:
    """Two adapters beside each other: the engine's figures where they were measured, and every answer."""
    return _render(
        "comparison.html", names=comparison.names, metrics=comparison.metrics, rows=comparison.rows
    )


def _render(template: str, **values: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("bot"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["mean"] = fmean
    return environment.get_template(template).render(**values)


def _strips(speakers: Sequence[str], scores: Sequence[Mapping[str, float]]) -> tuple[_Strip, ...]:
    if not scores or not scores[0]:
        return ()
    width = _STRIP_RIGHT - _STRIP_LEFT
    return tuple(
        _Strip(
            name,
            colour,
            tuple(
                # Neighbours stand at different heights, so that equal scores can be counted.
                _Dot(round(_STRIP_LEFT + width * row[name], 1), 14.0 + 4 * (place * 3 % 7))
                for place, row in enumerate(scores)
            ),
        )
        for colour, name in enumerate(speakers)
    )


def _curves(metrics: Mapping[str, JsonValue]) -> _Curves | None:
    """The losses that training left in the voice card."""
    found = {
        name: points
        for name, key in (("training", "losses"), ("held out", "held_out_losses"))
        if (points := _points(metrics.get(key)))
    }
    if not found:
        return None
    steps = [step for points in found.values() for step, _ in points]
    values = [value for points in found.values() for _, value in points]
    left, top, right, bottom = _PLOT
    lowest, highest, last = min(values), max(values), max(steps)
    lines = tuple(
        _Line(
            name,
            colour,
            " ".join(
                f"{left + (right - left) * step / max(last, 1):.1f},"
                f"{bottom - (bottom - top) * (value - lowest) / ((highest - lowest) or 1.0):.1f}"
                for step, value in points
            ),
        )
        for colour, (name, points) in enumerate(found.items())
    )
    return _Curves(lines, lowest, highest, last)


def _points(value: JsonValue | None) -> list[tuple[float, float]]:
    """Pairs of step and loss; whatever else stands there is no point."""
    pairs = [entry for entry in value if isinstance(entry, list)] if isinstance(value, list) else []
    return [
        (step, loss)
        for step, loss in (pair for pair in pairs if len(pair) == 2)
        if isinstance(step, int | float) and isinstance(loss, int | float)
    ]


def _fields(card: AdapterManifest) -> list[tuple[str, str]]:
    fields = card.model_dump(exclude={"metrics", "hyperparameters"})
    shown = {name.replace("_", " "): _shown(value) for name, value in fields.items() if value}
    settings = ", ".join(f"{name} {value}" for name, value in card.hyperparameters.items())
    return [*shown.items(), *([("hyperparameters", settings)] if settings else [])]


def _shown(value: object) -> str:
    return value.strftime("%-d %B %Y, %H:%M %Z") if isinstance(value, datetime) else str(value)
