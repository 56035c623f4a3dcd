"""What defines one metric. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Source(StrEnum):
    """Where its value comes from: the database, at the time it is asked for, or the process that counts it."""

    DATABASE = "database"
    PROCESS = "process"


@dataclass(frozen=True, slots=True, eq=False)  # each is itself: hashing all its fields would cost more than counting
class Metric:
    """`buckets`: of a histogram, upper bounds. `labels`: their values are few, and none comes from a client."""

    name: str
    kind: Kind
    source: Source
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def unit(self) -> str:
        """As CloudWatch writes it; the name says it by Prometheus's rules."""
        name = self.name.removesuffix("_total")
        return {"seconds": "Seconds", "bytes": "Bytes", "ratio": "None"}.get(name.rpartition("_")[2], "Count")


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of a metric now, with the values of its labels in their order."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()
