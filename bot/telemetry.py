"""Traces of questions, by OpenTelemetry where it is installed and the environment names a collector."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from connectors.conversation import Answer, Timings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

# https://opentelemetry.io/docs/specs/otel/protocol/exporter/
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_TIMEOUTS = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")

_STAGES = ("route", "retrieve", "generate", "verify")
_SERVICE = "lorebot"

# A collector that is away shall not keep the process from ending.
_EXPORT_SECONDS = 3.0


class Trace(Protocol):
    """The trace of one question. It ends once."""

    def answered(self, answer: Answer) -> None:
        """It ended in an answer."""
        ...

    def unanswered(self, reason: str, error: BaseException | None = None) -> None:
        """It ended without one: refused, cancelled, failed."""
        ...


class Tracing(Protocol):
    """Where traces go."""

    def begin(self, reference: str, platform: str) -> Trace:
        """The trace of a question that begins now; `reference` is the one in the log and in chat."""
        ...

    def close(self) -> None:
        """Send what was not sent yet. Blocks."""
        ...


class NoTrace:
    """A trace that is not kept."""

    def answered(self, answer: Answer) -> None:
        """See `Trace.answered`."""

    def unanswered(self, reason: str, error: BaseException | None = None) -> None:
        """See `Trace.unanswered`."""


class NoTracing:
    """Keeps no traces."""

    def begin(self, reference: str, platform: str) -> Trace:
        """See `Tracing.begin`."""
        return NoTrace()

    def close(self) -> None:
        """See `Tracing.close`."""


class OpenTelemetryTracing:
    """One span `question`, and in it `route`, `retrieve`, `generate` and `verify`, without any text.

    Verifying goes on while the model writes: the spans of these two have their true lengths and stand one
    after the other.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(_SERVICE)

    def begin(self, reference: str, platform: str) -> Trace:
        """See `Tracing.begin`."""
        attributes = {"lorebot.request_id": reference, "lorebot.platform": platform}
        span = self._tracer.start_span("question", attributes=attributes)
        return _OpenTelemetryTrace(self, reference, span)

    def record_stages(self, question: Span, reference: str, timings: Timings, ended: int) -> None:
        """Spans of the stages that took time, the last of which ended at `ended` (nanoseconds since 1970)."""
        from opentelemetry.trace import set_span_in_context

        inside = set_span_in_context(question)
        for name, began, end in _stages(timings, ended):
            attributes = {"lorebot.request_id": reference}
            span = self._tracer.start_span(name, inside, attributes=attributes, start_time=began)
            span.end(end)

    def close(self) -> None:
        """See `Tracing.close`."""
        self._provider.shutdown()


class _OpenTelemetryTrace:
    def __init__(self, tracing: OpenTelemetryTracing, reference: str, span: Span) -> None:
        self._tracing = tracing
        self._reference = reference
        self._span = span

    def answered(self, answer: Answer) -> None:
        ended = time.time_ns()
        self._span.set_attributes(
            {
                "lorebot.route": answer.route,
                "lorebot.adapter": _adapter(answer),
                "lorebot.index_generation": answer.index_generation,
                "lorebot.citations": len(answer.citations),
                "lorebot.first_text_seconds": answer.timings.first_text,
            }
        )
        self._tracing.record_stages(self._span, self._reference, answer.timings, ended)
        self._span.end(ended)

    def unanswered(self, reason: str, error: BaseException | None = None) -> None:
        from opentelemetry.trace import Status, StatusCode

        self._span.set_attribute("lorebot.unanswered", reason)
        if error is not None:
            # Its kind alone: the message names files and addresses, which are for the log.
            self._span.set_attribute("error.type", type(error).__name__)
            self._span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        self._span.end()


def open_tracing(environment: Mapping[str, str], announce: Callable[[str], None]) -> Tracing:
    """Send traces where OpenTelemetry's own variables say (OTEL_EXPORTER_OTLP_ENDPOINT), else keep none.

    `announce` is told in one line why traces that were asked for cannot be sent.
    """
    endpoint = next((name for name in _ENDPOINTS if environment.get(name, "").strip()), None)
    if endpoint is None or environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return NoTracing()
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name, "").strip()), "grpc")
    if protocol != "grpc":
        announce(f"No traces are sent: OTLP over {protocol} is asked for, and Lorebot speaks grpc.")
        return NoTracing()
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        announce(f"No traces are sent, although {endpoint} is set: run `pip install 'lorebot[otel]'`.")
        return NoTracing()
    named = {} if environment.get("OTEL_SERVICE_NAME") else {"service.name": _SERVICE}
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    timeout = None if any(environment.get(name) for name in _TIMEOUTS) else _EXPORT_SECONDS
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=timeout)))
    return OpenTelemetryTracing(provider)


def _stages(timings: Timings, ended: int) -> Iterator[tuple[str, int, int]]:
    """Name, beginning and end of each stage, in nanoseconds since 1970."""
    at = ended - round(timings.total * 1e9)
    for name in _STAGES:
        length = round(getattr(timings, name) * 1e9)
        if length:
            yield name, at, at + length
        at += length


def _adapter(answer: Answer) -> str:
    voice = answer.voice
    return f"{voice.name}@{voice.version}" if voice.version else voice.name
