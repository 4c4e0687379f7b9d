"""The page that shows what was measured of an adapter."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.dataset import Example
from adapters.evaluation import (
    ADAPTER,
    BASE_MODEL,
    FIVE_EXAMPLES,
    PARENT,
    Bounds,
    Measured,
    Paired,
    Speed,
    Style,
    check,
    figures,
)
from adapters.manifest import AdapterManifest
from adapters.memorisation import Memorisation
from adapters.verdict import Verdict
from bot.voice_comparison import ComparedAnswers, Comparison
from bot.voice_measurement import Measurement, SideBySide
from bot.voice_report import render_comparison, render_evaluation

HOSTILE = '<script src="https://evil.example/x.js">alert(1)</script>'
SPEAKERS = (ADAPTER, PARENT, BASE_MODEL, FIVE_EXAMPLES)
MEASURED = Measured(
    parent="grounded@1",
    rows=34,
    log_probability={ADAPTER: -1.12, PARENT: -1.95, BASE_MODEL: -2.84, FIVE_EXAMPLES: -2.21},
    style=Style(
        score={ADAPTER: 0.91, PARENT: 0.18, BASE_MODEL: 0.03, FIVE_EXAMPLES: 0.27},
        told_from={BASE_MODEL: 0.97, PARENT: 0.88},
    ),
    truth=(
        Paired("answers", (1.0,) * 26, (1.0,) * 26),
        Paired("adds nothing", (1.0,) * 28 + (0.0,) * 6, (1.0,) * 34),
    ),
    memorisation=Memorisation(0.012, 9, "drop us a line and we will sort it out"),
    words=13.0,
    words_of_examples=14.0,
    speed={name: Speed(21.0 + place, 0.4) for place, name in enumerate(SPEAKERS)},
    engine={},
)
EXAMPLE = Example(
    "Can I keep my novel longer?",
    (("Lending", "Items may be renewed twice unless another reader is waiting."), ("", HOSTILE)),
    "You can renew it twice, so long as nobody else is waiting for it [1].",
    7,
)


def card(**fields: Any) -> AdapterManifest:
    described: dict[str, Any] = {
        "name": "warm",
        "version": "3",
        "weights_sha256": "1" * 64,
        "config_sha256": "2" * 64,
        "base_model": "SmolLM2-135M-Instruct",
        "base_sha256": "3" * 64,
        "chat_template_sha256": "4" * 64,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "created_by": "terminal:alice",
        "parent": "grounded@1",
        "hyperparameters": {"rank": 16, "epochs": 3.0},
    }
    return AdapterManifest(**{**described, **fields})


def side_by_side(place: int) -> SideBySide:
    spread = 0.02 * (place % 5)
    return SideBySide(
        EXAMPLE,
        said={
            ADAPTER: "You can renew it three times [1].",
            PARENT: "Items may be renewed twice unless another reader is waiting [1].",
            BASE_MODEL: HOSTILE,
            FIVE_EXAMPLES: "",
        },
        faults={
            ADAPTER: ("3 is not in the evidence",),
            PARENT: (),
            BASE_MODEL: ("cites nothing",),
            FIVE_EXAMPLES: (),
        },
        scores={
            ADAPTER: 0.95 - spread,
            PARENT: 0.2 + spread,
            BASE_MODEL: 0.02,
            FIVE_EXAMPLES: 0.3 + 3 * spread,
        },
    )


def page(measured: Measured = MEASURED, **fields: Any) -> str:
    checks = check(measured, Bounds())
    manifest = card(**fields)
    verdict = Verdict(
        adapter_hash=manifest.hash,
        passed=all(one.passed for one in checks),
        reasons=tuple(one.sentence for one in checks if not one.passed),
        figures=figures(measured, Bounds()),
        measured_at=datetime(2026, 1, 2, 9, 30, tzinfo=UTC),
        measured_by="terminal:alice",
        parent="grounded@1",
    )
    replies = tuple(side_by_side(place) for place in range(12))
    if measured.style is None:
        replies = tuple(replace(row, scores={}) for row in replies)
    return render_evaluation(manifest, verdict, checks, Measurement(measured, replies, ()))


def test_the_verdict_and_its_reasons_come_first() -> None:
    text = page()

    assert text.index("must not speak yet") < text.index("adds nothing: 0.824") < text.index("<h2>Checks")


def test_a_voice_that_passed_says_so() -> None:
    sound = replace(MEASURED, truth=MEASURED.truth[:1])

    assert "It may speak: every check passed." in page(sound)


def test_every_answer_stands_beside_the_others_with_what_is_wrong_with_it() -> None:
    text = page()

    for said in (
        "You can renew it three times [1].",
        "3 is not in the evidence",
        "cites nothing",
        "(nothing)",
    ):
        assert said in text


def test_what_a_model_said_cannot_become_part_of_the_page() -> None:
    text = page(notes=HOSTILE)

    assert "<script" not in text
    assert "&lt;script" in text


def test_the_page_fetches_nothing() -> None:
    assert re.findall(r"""(?:src|href)\s*=|url\(|@import""", page().replace("src=&#34;", "")) == []


def test_the_losses_of_the_training_are_drawn() -> None:
    text = page(metrics={"losses": [[5, 2.0], [10, 1.0]], "held_out_losses": [[10, 1.5]]})

    assert '<polyline class="curve" points="370.0,10.0 690.0,220.0"/>' in text
    assert '<polyline class="curve" points="690.0,115.0"/>' in text


@pytest.mark.parametrize("metrics", [{}, {"losses": "none"}, {"losses": [[1], ["a", "b"], 7]}])
def test_without_losses_there_is_no_drawing_of_them(metrics: dict[str, Any]) -> None:
    assert "<polyline" not in page(metrics=metrics)


def test_a_skill_has_no_drawing_of_its_style() -> None:
    assert "<circle" in page()
    assert "<circle" not in page(replace(MEASURED, style=None))


def test_a_comparison_shows_both_answers_and_the_figures() -> None:
    text = render_comparison(
        Comparison(
            ("warm@3", "formal@1"),
            (("answer_match", (0.9, None)),),
            (ComparedAnswers("When is it open?", ("From 9, do come [1]!", HOSTILE)),),
        )
    )

    assert "From 9, do come [1]!" in text
    assert "0.900" in text
    assert "<script" not in text
