"""What a scrape asks for: how old the index is, what waits, who speaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from bot.assembly import Assembly
from bot.database import deliveries
from bot.metrics import OTHER, PLATFORMS
from bot.vector_server import live_server_vectors
from connectors.log import Log

# A registry holds as many adapters as a team makes; the rest is counted together.
_MOST_ADAPTERS = 30


@runtime_checkable
class CountsTokens(Protocol):
    """A generator that knows how many tokens it has written."""

    @property
    def generated_tokens(self) -> int: ...


class LiveMetrics(Collector):
    """Reads the state of an assembly. What cannot be read is left out of the scrape and said in the log."""

    def __init__(self, assembly: Assembly, answers: bool, log: Log) -> None:
        """With `answers` the process answers questions, and has a model and a journal to tell of."""
        self._assembly = assembly
        self._log = log
        self._parts: tuple[Callable[[], Iterable[Metric]], ...] = (self._leads, self._ages, self._vectors)
        if answers:
            self._parts += (self._unfinished, self._generation, self._adapters)

    def collect(self) -> Iterator[Metric]:
        """Blocks for some queries."""
        for part in self._parts:
            try:
                yield from part()
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                self._log.warning("not measured", part=part.__name__, error=reason)

    def _leads(self) -> Iterator[Metric]:
        leadership = self._assembly.leadership
        yield GaugeMetricFamily(
            "lorebot_leader",
            "1 in the process that keeps the index current, 0 in others that share it.",
            value=leadership is None or leadership.holds(),
        )

    def _ages(self) -> Iterator[Metric]:
        ages = GaugeMetricFamily(
            "lorebot_source_age_seconds", "Since the last complete sync of a source ended.", labels=["source"]
        )
        documents = GaugeMetricFamily("lorebot_source_documents", "Documents indexed.", labels=["source"])
        catalog, now = self._assembly.catalog, datetime.now(UTC)
        successes, counts = catalog.last_successes(), catalog.counts().by_source
        for source in self._assembly.settings.sources:
            if source.name in successes:
                ages.add_metric([source.name], (now - successes[source.name]).total_seconds())
            documents.add_metric([source.name], counts.get(source.name, (0, 0))[0])
        yield ages
        yield documents

    def _vectors(self) -> Iterator[Metric]:
        vectors = live_server_vectors(self._assembly)
        if vectors is None:
            return
        yield GaugeMetricFamily(
            "lorebot_vector_server_in_use",
            "1 while the Chroma server searches, 0 while the exact search does in its place.",
            value=not vectors.problem(),
        )
        searches = CounterMetricFamily(
            "lorebot_vector_searches", "Searches by meaning, by what did them.", labels=["by"]
        )
        searches.add_metric(["server"], vectors.searches.on_server)
        searches.add_metric(["exact"], vectors.searches.exact)
        yield searches

    def _unfinished(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily(
            "lorebot_deliveries_unfinished",
            "What platforms delivered and no process has finished yet, of all processes of the journal.",
            labels=["platform"],
        )
        d = deliveries.c
        query = select(d.platform, func.count()).where(d.done_at.is_(None)).group_by(d.platform)
        with self._assembly.journal.database.reading() as connection:
            counted = {row[0]: row[1] for row in connection.execute(query)}
        for platform in PLATFORMS[:2]:
            waiting.add_metric([platform], counted.get(platform, 0))
        yield waiting

    def _generation(self) -> Iterator[Metric]:
        generator = self._assembly.generator
        yield GaugeMetricFamily(
            "lorebot_generation_queue",
            "The number that a request to the model would have now; 0 when it begins at once.",
            value=generator.queue_number,
        )
        if isinstance(generator, CountsTokens):
            yield CounterMetricFamily(
                "lorebot_generated_tokens", "Tokens that the model wrote.", value=generator.generated_tokens
            )

    def _adapters(self) -> Iterator[Metric]:
        speaking = GaugeMetricFamily(
            "lorebot_adapter_places",
            "The adapters in use: in how many places each speaks, the default counted as one.",
            labels=["adapter"],
        )
        places = Counter(voice.speaks for voice in self._assembly.voices.active())
        for adapter, number in places.most_common(_MOST_ADAPTERS):
            speaking.add_metric([adapter], number)
        if len(places) > _MOST_ADAPTERS:
            rest = sum(number for _, number in places.most_common()[_MOST_ADAPTERS:])
            speaking.add_metric([OTHER], rest)
        yield speaking
