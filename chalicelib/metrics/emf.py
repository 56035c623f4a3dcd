"""Samples as lines of CloudWatch's embedded metric format: JSON in the log, from which CloudWatch makes metrics."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from chalicelib.metrics.counting import Counts, Key
from chalicelib.metrics.sample import Kind, Metric, Sample

#: CloudWatch's limits, of metrics in a line and of values of a metric
METRICS_IN_LINE = 100
VALUES = 100

Values = float | list[float]


class EmfWriter:
    """Writes what the process has counted since the last time, and the samples given. Not thread-safe."""

    def __init__(
        self,
        namespace: str,
        counts: Counts,
        clock: Callable[[], float],
        write: Callable[[str], None] = lambda line: print(line, file=sys.stdout, flush=True),
    ) -> None:
        """`clock`: seconds since the epoch. `write` writes a line that nothing may precede, as a log's time would."""
        self._namespace = namespace
        self._counts = counts
        self._clock = clock
        self._write = write
        self._written: dict[Key, float] = {}

    def run(self, samples: Iterable[Sample] = ()) -> None:
        found = list(samples)
        gauges = [((one.metric, one.labels), one.value) for one in found if one.metric.kind == Kind.GAUGE]
        counters = [one for one in found if one.metric.kind == Kind.COUNTER]
        values = [*gauges, *self._since_last([*self._counts.counters(), *counters])]
        for line in lines(self._namespace, self._clock(), values):
            self._write(line)

    def _since_last(self, counters: Iterable[Sample]) -> Iterator[tuple[Key, Values]]:
        """What was added to these counters, and observed, since the last time."""
        for sample in counters:
            key = sample.metric, sample.labels
            more = sample.value - self._written.get(key, 0)
            self._written[key] = sample.value
            if more:
                yield key, more
        for key, values in self._counts.take_recent():
            yield key, values[:VALUES]


def lines(namespace: str, at: float, values: Sequence[tuple[Key, Values]]) -> Iterator[str]:
    """One line for each set of labels with their values, since a line's dimensions are those of all its metrics."""
    by_labels: dict[tuple[tuple[str, str], ...], list[tuple[Metric, Values]]] = {}
    for (metric, labels), value in values:
        by_labels.setdefault(tuple(zip(metric.labels, labels, strict=True)), []).append((metric, value))
    for dimensions, members in by_labels.items():
        left = iter(members)
        while chunk := list(islice(left, METRICS_IN_LINE)):
            yield _line(namespace, at, dict(dimensions), chunk)


def _line(namespace: str, at: float, dimensions: dict[str, str], members: list[tuple[Metric, Values]]) -> str:
    directive = {
        "Namespace": namespace,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": metric.name, "Unit": metric.unit} for metric, _ in members],
    }
    root = {"_aws": {"Timestamp": int(at * 1000), "CloudWatchMetrics": [directive]}, **dimensions}
    return json.dumps({**root, **{metric.name: value for metric, value in members}})
