"""Samples as Prometheus reads them. The only module that imports prometheus_client, and so imported late."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import (
    Metric as Family,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from chalicelib.metrics.counting import Counts
from chalicelib.metrics.definitions import METRICS
from chalicelib.metrics.sample import Kind, Metric, Sample

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

Samples = Callable[[], Iterable[Sample]]


class CountedCollector(Collector):
    """What the process has counted. Counters that nothing has added to yet are 0, if they have no labels."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Family]:
        unlabelled = [metric for metric in METRICS if metric.kind == Kind.COUNTER and not metric.labels]
        found = {(sample.metric, sample.labels): sample for sample in self._counts.counters()}
        yield from families([*({(metric, ()): Sample(metric, 0) for metric in unlabelled} | found).values()])
        yield from self._histograms()

    def _histograms(self) -> Iterator[Family]:
        by_metric: dict[Metric, HistogramMetricFamily] = {}
        for (metric, labels), buckets, total in self._counts.histograms():
            if metric not in by_metric:
                by_metric[metric] = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            bounds = [*(repr(bound) for bound in metric.buckets), "+Inf"]
            by_metric[metric].add_metric(labels, list(zip(bounds, accumulate(buckets), strict=True)), total)
        yield from by_metric.values()


class SampledCollector(Collector):
    """What is asked for when it is scraped."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Family]:
        return families(self._samples())


def registry(counts: Counts | None = None, *sampled: Samples) -> CollectorRegistry:
    """Of what the process counts, if it is given, and of what is asked for at each scrape."""
    made = CollectorRegistry(auto_describe=False)
    if counts is not None:
        made.register(CountedCollector(counts))
    for samples in sampled:
        made.register(SampledCollector(samples))
    return made


def text(of: CollectorRegistry) -> str:
    return generate_latest(of).decode()


def families(samples: Iterable[Sample]) -> Iterator[Family]:
    """Gauges and counters, each metric once."""
    by_metric: dict[Metric, GaugeMetricFamily | CounterMetricFamily] = {}
    for sample in samples:
        metric = sample.metric
        if metric not in by_metric:
            kind = CounterMetricFamily if metric.kind == Kind.COUNTER else GaugeMetricFamily
            by_metric[metric] = kind(metric.name, metric.help, labels=metric.labels)
        by_metric[metric].add_metric(sample.labels, sample.value)
    yield from by_metric.values()
