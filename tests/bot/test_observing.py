"""Each question is counted, measured, traced and logged, and no person or place is named by it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from log_standins import Log
from prometheus_client.parser import text_string_to_metric_families

from bot.conversing import Conversing
from bot.database import Database, journal_url
from bot.metrics import Metrics
from bot.observing import CountedMemory, Observed
from bot.rate_limits import TooManyQuestionsError
from bot.telemetry import NoTracing
from connectors.conversation import (
    Answer,
    Answered,
    AnswerEvent,
    AnswerSentence,
    Asker,
    Place,
    Question,
    QuestionRefusedError,
    Route,
    SentenceAction,
    TextDelta,
    Timings,
    Voice,
)
from connectors.ports import Judgement
from connectors.reference import working_on

QUESTION = Question("q1", "Where do visitors park?", Asker("U0ADA"), Place("slack", "C0HELP", None, "T0TEAM"))


class Clock:
    """Goes on by a second each time that it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class Engine:
    """Answers, or raises after the first text."""

    def __init__(
        self,
        route: Route = "knowledge",
        actions: Sequence[SentenceAction] = ("kept",),
        error: BaseException | None = None,
    ) -> None:
        self.route = route
        self.actions = actions
        self.error = error

    async def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        if isinstance(self.error, QuestionRefusedError):
            raise self.error
        yield TextDelta("Row C.")
        if self.error is not None:
            raise self.error
        sentences = tuple(AnswerSentence("Row C.", (), 1.0, action) for action in self.actions)
        yield Answered(
            Answer(
                id="a1",
                question=question.text,
                standalone_question=question.text,
                text="Row C.",
                route=self.route,
                citations=(),
                nearest=(),
                sentences=sentences,
                voice=Voice("grounded", "2", "abc"),
                model="SmolLM2",
                index_generation=1,
                timings=Timings(),
            )
        )


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def value(metrics: Metrics, name: str, **labels: str) -> float:
    page = metrics.exposition("")[0].decode()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return float(sample.value)
    return 0.0


async def ask(engine: Engine, metrics: Metrics, question: Question = QUESTION) -> Log:
    log = Log()
    observed = Observed(engine, metrics, NoTracing(), log, Clock())
    async with aclosing(observed.answer(question)) as events:
        async for _ in events:
            pass
    return log


async def test_an_answer_is_counted_by_platform_and_route(metrics: Metrics) -> None:
    await ask(Engine("knowledge"), metrics)
    await ask(Engine("abstain"), metrics)
    counted = {
        route: value(metrics, "lorebot_questions_total", platform="slack", route=route)
        for route in ("knowledge", "abstain", "smalltalk")
    }
    assert counted == {"knowledge": 1.0, "abstain": 1.0, "smalltalk": 0.0}
    assert value(metrics, "lorebot_abstentions_total", platform="slack") == 1.0


@pytest.mark.parametrize(
    ("actions", "wording"),
    [
        (("kept", "noted"), "spoken"),
        (("dropped", "quoted"), "quoted"),
        (("recited", "quoted"), "both"),
    ],
)
async def test_an_answer_is_counted_by_who_worded_it(
    metrics: Metrics, actions: tuple[SentenceAction, ...], wording: str
) -> None:
    await ask(Engine(actions=actions), metrics)
    assert value(metrics, "lorebot_answers_total", wording=wording) == 1.0


async def test_sentences_that_nothing_supports_are_counted(metrics: Metrics) -> None:
    await ask(Engine(actions=("dropped", "dropped", "quoted")), metrics)
    assert value(metrics, "lorebot_sentences_total", action="dropped") == 2.0


async def test_latency_counts_from_the_platforms_event(metrics: Metrics) -> None:
    clock = Clock()
    clock.now = 100.0
    with working_on("0123abcd") as request:
        observed = Observed(Engine(), metrics, NoTracing(), Log(), lambda: request.began + clock())
        async with aclosing(observed.answer(QUESTION)) as events:
            async for _ in events:
                pass
    assert value(metrics, "lorebot_first_text_seconds_sum", platform="slack") == pytest.approx(101.0)
    assert value(metrics, "lorebot_answer_seconds_sum", platform="slack") == pytest.approx(102.0)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TooManyQuestionsError("Ask again later."), "limit"),
        (QuestionRefusedError("The question is empty."), "refused"),
        (ValueError("no"), "failed"),
    ],
)
async def test_a_question_without_an_answer_is_counted_by_its_reason(
    metrics: Metrics, error: Exception, reason: str
) -> None:
    with pytest.raises(type(error)):
        await ask(Engine(error=error), metrics)
    counted = value(metrics, "lorebot_questions_unanswered_total", platform="slack", reason=reason)
    assert (counted, value(metrics, "lorebot_questions_in_work")) == (1.0, 0.0)


async def test_a_question_that_is_taken_back_is_counted_as_cancelled(metrics: Metrics) -> None:
    observed = Observed(Engine(), metrics, NoTracing(), Log(), Clock())
    async with aclosing(observed.answer(QUESTION)) as events:
        async for _ in events:
            break
    assert value(metrics, "lorebot_questions_unanswered_total", platform="slack", reason="cancelled") == 1.0


async def test_no_label_and_no_line_names_a_person_a_place_or_what_was_written(metrics: Metrics) -> None:
    log = await ask(Engine(), metrics)
    for told in (metrics.exposition("")[0].decode(), str(log.lines)):
        assert not any(word in told for word in ("U0ADA", "C0HELP", "T0TEAM", "park", "Row C"))


async def test_platforms_are_those_that_are_known(metrics: Metrics) -> None:
    for number in range(100):
        await ask(Engine(), metrics, Question("q", "Where?", Asker("U1"), Place(f"place {number}", "C1")))
    assert value(metrics, "lorebot_questions_total", platform="other", route="knowledge") == 100.0


async def test_a_failure_is_counted_with_the_reference_that_the_person_has(metrics: Metrics) -> None:
    class Noticing(Log):
        def error(self, event: str, /, **fields: Any) -> None:
            metrics.logged({"level": "error", "event": event, **fields})

    port = Conversing(Engine(error=ValueError("no")), Noticing())
    with working_on("0123abcd"), pytest.raises(QuestionRefusedError) as told:
        async for _ in port.answer(QUESTION):
            pass
    assert "0123abcd" in str(told.value)
    assert value(metrics, "lorebot_errors_total", kind="question failed") == 1.0
    page = metrics.exposition("application/openmetrics-text; version=1.0.0")[0].decode()
    assert 'lorebot_errors_total{kind="question failed"} 1.0 # {reference="0123abcd"} 1.0' in page


def test_kinds_of_errors_are_bounded_whatever_is_logged(metrics: Metrics) -> None:
    for number in range(1000):
        metrics.logged({"level": "error", "event": f"failed {number}", "reference": "0123abcd"})
        metrics.logged({"level": "error", "event": f"said {number}", "logger": "x", "reference": "0123abcd"})
    page = metrics.exposition("")[0].decode()
    assert page.count("lorebot_errors_total{") <= 42
    assert value(metrics, "lorebot_errors_total", kind="library") == 1000.0


async def test_judgements_are_counted_by_what_people_think(metrics: Metrics, tmp_path: Path) -> None:
    database = Database(journal_url(None, tmp_path / "journal.sqlite"))
    memory = CountedMemory(database, metrics)
    for judgement in (Judgement(True), Judgement(False), Judgement(False, "outdated")):
        await memory.judge("a1", "slack:U1", judgement)
    database.close()
    for words in ("helpful", "unhelpful", "outdated"):
        assert value(metrics, "lorebot_feedback_total", judgement=words) == 1.0


def test_every_metric_has_a_help_text_and_two_scrapes_do_not_disturb_each_other(metrics: Metrics) -> None:
    page = metrics.exposition("")[0].decode()
    assert all(family.documentation for family in text_string_to_metric_families(page))
    assert Metrics().exposition("")[0]
