"""Counts what happens on the servers of models, for Prometheus."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from adapters.remote.events import ServerEvent


class ServerMetrics(Collector):
    """A listener to server events that a registry can ask. Models come from the settings, so they are few."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: Counter[tuple[str, str]] = Counter()
        self._tokens: Counter[tuple[str, str]] = Counter()

    def __call__(self, event: ServerEvent) -> None:
        with self._lock:
            self._events[event.model, event.kind] += 1
            self._tokens[event.model, "prompt"] += event.prompt_tokens
            self._tokens[event.model, "reply"] += event.reply_tokens

    def collect(self) -> Iterator[Metric]:
        events = CounterMetricFamily(
            "lorebot_model_server_events",
            "What happened on servers of models: used (an answer), retried, failed, failed over, published.",
            labels=["model", "event"],
        )
        tokens = CounterMetricFamily(
            "lorebot_model_server_tokens", "Tokens of answers by servers.", labels=["model", "part"]
        )
        with self._lock:
            for labels, number in self._events.items():
                events.add_metric(list(labels), number)
            for labels, number in self._tokens.items():
                tokens.add_metric(list(labels), number)
        yield events
        yield tokens
