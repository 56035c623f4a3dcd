"""Counts of this process. Like logging, one object for the process, so that any code can count.

It does not use prometheus_client's own counters: importing that takes 25 ms of a Lambda's cold start, and CloudWatch
wants what was added since the last line, which they do not keep. Adding takes well under a microsecond.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from chalicelib.metrics.sample import Kind, Metric, Sample

#: Values kept of a histogram since the last EMF line; later ones of the minute are only in its buckets.
KEPT = 100

Key = tuple[Metric, tuple[str, ...]]


@dataclass(slots=True)
class Observed:
    """Of a histogram: observations by bucket, the last one for those above all bounds; their sum; the latest values."""

    buckets: list[int]
    total: float = 0.0
    recent: list[float] = field(default_factory=list)

    def add(self, bounds: tuple[float, ...], value: float) -> None:
        self.buckets[bisect.bisect_left(bounds, value)] += 1
        self.total += value
        if len(self.recent) < KEPT:
            self.recent.append(value)


class Counts:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[Key, float] = {}
        self._histograms: dict[Key, Observed] = {}

    def add(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Add to a counter. `labels`: the values of its labels, in their order."""
        key = metric, labels
        with self._lock:
            self._counters[key] = self._counters.get(key, 0) + by

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add an observation to a histogram."""
        key = metric, labels
        with self._lock:
            observed = self._histograms.get(key)
            if observed is None:
                observed = self._histograms[key] = Observed([0] * (len(metric.buckets) + 1))
            observed.add(metric.buckets, value)

    def value(self, metric: Metric, *labels: str) -> float:
        """Of a counter, its count; of a histogram, the number of its observations."""
        with self._lock:
            if metric.kind == Kind.HISTOGRAM:
                observed = self._histograms.get((metric, labels))
                return sum(observed.buckets) if observed else 0
            return self._counters.get((metric, labels), 0)

    def counters(self) -> list[Sample]:
        with self._lock:
            return [Sample(metric, value, labels) for (metric, labels), value in self._counters.items()]

    def histograms(self) -> list[tuple[Key, list[int], float]]:
        """Each with its observations by bucket, not cumulated, and their sum."""
        with self._lock:
            return [(key, list(seen.buckets), seen.total) for key, seen in self._histograms.items()]

    def take_recent(self) -> Iterator[tuple[Key, list[float]]]:
        """Each histogram's values since the last call, at most KEPT of each."""
        with self._lock:
            taken = [(key, seen.recent) for key, seen in self._histograms.items() if seen.recent]
            for key, _ in taken:
                self._histograms[key].recent = []
        yield from taken


#: What this process has counted.
counts = Counts()
