"""A question leaves a trace with its reference: one span, and in it one for each stage."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bot.telemetry import NoTracing, OpenTelemetryTracing, open_tracing
from connectors.conversation import Answer, AnswerSentence, Citation, Timings, Voice

TIMINGS = Timings(route=0.1, retrieve=0.2, generate=1.0, verify=0.3, first_text=0.9, total=1.6)
TEXT = "Visitors park in row C."
CITATION = Citation(1, "Parking", "", "parking.md", None, TEXT, "1", datetime(2026, 1, 1, tzinfo=UTC))


def answer(timings: Timings = TIMINGS) -> Answer:
    return Answer(
        id="a1",
        question="Where do visitors park?",
        standalone_question="Where do visitors park?",
        text=f"{TEXT} [1]",
        route="knowledge",
        citations=(CITATION,),
        nearest=(),
        sentences=(AnswerSentence(TEXT, (1,), 1.0, "kept"),),
        voice=Voice("grounded", "2", "abc"),
        model="SmolLM2",
        index_generation=7,
        timings=timings,
    )


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> OpenTelemetryTracing:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OpenTelemetryTracing(provider)


def seconds(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


def test_the_stages_of_an_answer_are_spans_of_their_true_lengths_inside_the_question(
    tracing: OpenTelemetryTracing, exporter: InMemorySpanExporter
) -> None:
    tracing.begin("0123abcd", "slack").answered(answer())
    *stages, question = exporter.get_finished_spans()
    assert [stage.name for stage in stages] == ["route", "retrieve", "generate", "verify"]
    assert [seconds(stage) for stage in stages] == pytest.approx([0.1, 0.2, 1.0, 0.3])
    assert question.name == "question"
    assert {stage.parent.span_id for stage in stages if stage.parent} == {question.context.span_id}


def test_every_span_has_the_reference_that_log_and_chat_have(
    tracing: OpenTelemetryTracing, exporter: InMemorySpanExporter
) -> None:
    tracing.begin("0123abcd", "slack").answered(answer())
    spans = exporter.get_finished_spans()
    assert {(span.attributes or {})["lorebot.request_id"] for span in spans} == {"0123abcd"}


def test_a_stage_that_took_no_time_is_no_span(
    tracing: OpenTelemetryTracing, exporter: InMemorySpanExporter
) -> None:
    tracing.begin("0123abcd", "slack").answered(answer(Timings(route=0.1, retrieve=0.2, total=0.3)))
    assert [span.name for span in exporter.get_finished_spans()] == ["route", "retrieve", "question"]


def test_nothing_that_people_wrote_or_read_is_traced(
    tracing: OpenTelemetryTracing, exporter: InMemorySpanExporter
) -> None:
    tracing.begin("0123abcd", "slack").answered(answer())
    tracing.begin("0123abce", "slack").unanswered("failed", ValueError("parking.md is damaged"))
    told = " ".join(span.to_json() for span in exporter.get_finished_spans())
    assert "park" not in told.lower()


def test_a_question_that_failed_is_an_error_of_its_kind(
    tracing: OpenTelemetryTracing, exporter: InMemorySpanExporter
) -> None:
    tracing.begin("0123abcd", "slack").unanswered("failed", ValueError("no"))
    (span,) = exporter.get_finished_spans()
    assert not span.status.is_ok
    assert (span.attributes or {})["error.type"] == "ValueError"


def test_a_question_that_was_refused_is_no_error(
    tracing: OpenTelemetryTracing, exporter: InMemorySpanExporter
) -> None:
    tracing.begin("0123abcd", "slack").unanswered("limit")
    (span,) = exporter.get_finished_spans()
    assert span.status.is_unset
    assert (span.attributes or {})["lorebot.unanswered"] == "limit"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_no_traces_are_kept_unless_a_collector_is_named(environment: dict[str, str]) -> None:
    told: list[str] = []
    tracing = open_tracing(environment, told.append)
    tracing.begin("0123abcd", "slack").answered(answer())
    tracing.close()
    assert isinstance(tracing, NoTracing)
    assert told == []


def test_without_the_extra_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", None)
    told: list[str] = []
    tracing = open_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, told.append)
    assert isinstance(tracing, NoTracing)
    assert told == [
        "No traces are sent, although OTEL_EXPORTER_OTLP_ENDPOINT is set: run `pip install 'lorebot[otel]'`."
    ]


def test_a_protocol_that_is_not_spoken_is_said() -> None:
    told: list[str] = []
    wanted = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}
    assert isinstance(open_tracing(wanted, told.append), NoTracing)
    assert told == ["No traces are sent: OTLP over http/json is asked for, and Lorebot speaks grpc."]


def test_a_collector_that_is_not_there_keeps_nothing_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    tracing = open_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, pytest.fail)
    assert isinstance(tracing, OpenTelemetryTracing)
    tracing.begin("0123abcd", "slack").answered(answer())
    tracing.close()
