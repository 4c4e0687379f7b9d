"""What is counted and measured of a running Lorebot, for Prometheus. No label names a person or a place."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from connectors.conversation import Answer
from connectors.ports import Judgement

PLATFORMS = ("slack", "discord", "terminal")
OTHER = "other"

Unanswered = Literal["limit", "refused", "cancelled", "failed"]
SyncResult = Literal["complete", "cancelled", "busy", "failed"]

# From a warm answer on a graphics card to a cold one on two cores.
_SECONDS = (0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 12, 20, 30, 45, 60)

# Kinds of errors are written in the code; this bounds them whatever comes.
_MOST_KINDS = 40


class Metrics:
    """Counters, histograms and gauges in a registry of their own; safe for many threads.

    Names and labels follow https://prometheus.io/docs/practices/naming/.
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self._questions = Counter(
            "lorebot_questions", "Questions answered.", ["platform", "route"], registry=registry
        )
        self._abstentions = Counter(
            "lorebot_abstentions",
            "Answers that say that the documents do not hold the answer.",
            ["platform"],
            registry=registry,
        )
        self._unanswered = Counter(
            "lorebot_questions_unanswered",
            "Questions without an answer: over a limit, refused, cancelled, failed.",
            ["platform", "reason"],
            registry=registry,
        )
        self._in_work = Gauge(
            "lorebot_questions_in_work", "Questions that are being answered now.", registry=registry
        )
        self._sentences = Counter(
            "lorebot_sentences",
            "Sentences by what became of them; 'dropped' were said by the model and supported by nothing.",
            ["action"],
            registry=registry,
        )
        self._answers = Counter(
            "lorebot_answers",
            "Answers from the documents by who worded them: the model (spoken), the sources (quoted), both.",
            ["wording"],
            registry=registry,
        )
        self._first_text = Histogram(
            "lorebot_first_text_seconds",
            "From the platform's event to the first text of an answer.",
            ["platform"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._total = Histogram(
            "lorebot_answer_seconds",
            "From the platform's event to the whole answer.",
            ["platform"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._syncs = Counter(
            "lorebot_syncs",
            "Runs of a source's sync by how they ended.",
            ["source", "result"],
            registry=registry,
        )
        self._feedback = Counter(
            "lorebot_feedback", "Judgements of answers by people.", ["judgement"], registry=registry
        )
        self._errors = Counter(
            "lorebot_errors",
            "Errors that a person may have a reference of; in OpenMetrics the last one is the exemplar.",
            ["kind"],
            registry=registry,
        )
        self._kinds: set[str] = set()
        self._lock = threading.Lock()

    def register(self, collector: Collector) -> None:
        """Have something asked at every scrape."""
        self._registry.register(collector)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Everything in the format that `accept` asks for, and its content type. Blocks."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    @contextmanager
    def in_work(self) -> Iterator[None]:
        """A question is being answered during the block."""
        with self._in_work.track_inprogress():
            yield

    def answered(self, platform: str, answer: Answer, first_text: float, total: float) -> None:
        """An answer was given so many seconds after the platform's event."""
        platform = _known(platform)
        self._questions.labels(platform, answer.route).inc()
        if answer.abstained:
            self._abstentions.labels(platform).inc()
        for sentence in answer.sentences:
            self._sentences.labels(sentence.action).inc()
        if answer.route == "knowledge":
            self._answers.labels(_wording(answer)).inc()
        self._first_text.labels(platform).observe(first_text)
        self._total.labels(platform).observe(total)

    def unanswered(self, platform: str, reason: Unanswered) -> None:
        """A question ended without an answer."""
        self._unanswered.labels(_known(platform), reason).inc()

    def synced(self, source: str, result: SyncResult) -> None:
        """A run of a source has ended."""
        self._syncs.labels(source, result).inc()

    def judged(self, judgement: Judgement) -> None:
        """A person judged an answer."""
        self._feedback.labels("helpful" if judgement.helpful else judgement.fault or "unhelpful").inc()

    def logged(self, line: Mapping[str, Any]) -> None:
        """A line was logged: errors that have a reference are counted."""
        reference = line.get("reference")
        if line.get("level") != "error" or not isinstance(reference, str):
            return
        kind = "library" if "logger" in line else str(line.get("event"))
        with self._lock:
            if kind not in self._kinds and len(self._kinds) >= _MOST_KINDS:
                kind = OTHER
            self._kinds.add(kind)
        self._errors.labels(kind).inc(exemplar={"reference": reference[:32]})


def _known(platform: str) -> str:
    return platform if platform in PLATFORMS else OTHER


def _wording(answer: Answer) -> str:
    actions = {sentence.action for sentence in answer.sentences}
    spoken, quoted = bool(actions & {"kept", "recited"}), "quoted" in actions
    return "both" if spoken and quoted else "quoted" if quoted else "spoken"
