"""Medians of the records, their ratios, and whether the targets are reached. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.plan import WORKLOADS
from bench.records import FLOOR, OURS, PEER, SECONDS, Record

REAL, SIMULATOR = "real archive", "simulator archive"
HEADS, POSTS = "HEAD, 8 at once", "POST, 4 at once"
WORKER_CPU = "workers' CPU per GiB"
RSS_BOUND = 200 * 10**6
_PLACES = {name: place for place, name in enumerate(WORKLOADS)}


@dataclass(frozen=True, slots=True)
class Figure:
    """The median and range of a workload's repetitions."""

    median: float
    low: float
    high: float
    count: int
    unit: str


@dataclass(frozen=True, slots=True)
class Target:
    text: str
    #: None if the run did not measure it
    value: float | None
    bound: float
    at_most: bool

    @property
    def reached(self) -> bool | None:
        if self.value is None:
            return None
        return self.value <= self.bound if self.at_most else self.value >= self.bound


class Summary:
    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records

    def rows(self) -> list[tuple[str, str]]:
        """Workloads and their variants, sorted by workload."""
        seen = dict.fromkeys((record.workload, record.variant) for record in self.records)
        return sorted(seen, key=lambda row: _PLACES.get(row[0], len(_PLACES)))

    def of(self, workload: str, variant: str, side: str) -> list[Record]:
        """The repetitions without a problem."""
        return [
            record
            for record in self.records
            if (record.workload, record.variant, record.side) == (workload, variant, side) and not record.problem
        ]

    def figure(self, workload: str, variant: str, side: str) -> Figure | None:
        found = self.of(workload, variant, side)
        values = [record.figure for record in found]
        if not values:
            return None
        return Figure(statistics.median(values), min(values), max(values), len(values), found[0].unit)

    def faster_than(self, workload: str, variant: str, side: str) -> float | None:
        """How many times faster the cart is than that side."""
        return _times_faster(self.figure(workload, variant, OURS), self.figure(workload, variant, side))

    def of_floor(self, workload: str, variant: str) -> float | None:
        """The cart's time as a multiple of the floor's."""
        times = self.faster_than(workload, variant, FLOOR)
        return None if not times else 1 / times

    def problems(self) -> list[Record]:
        return [record for record in self.records if record.problem]

    def targets(self) -> list[Target]:
        """All targets; those of workloads that were not run have no value."""
        at_least = [
            ("W1: times faster than the peer", self.faster_than("W1", REAL, PEER), 10.0),
            ("W2: times faster than the peer", self.faster_than("W2", REAL, PEER), 40.0),
            ("W4: times faster than the peer", self.faster_than("W4", REAL, PEER), 7.0),
            ("W5: HEAD rate, times the peer's", self.faster_than("W5", HEADS, PEER), 5.0),
            ("W5: POST rate, times the peer's", self.faster_than("W5", POSTS, PEER), 1.0),
            ("W7: times faster than W1", self._ratio(("W1", REAL), ("W7", REAL)), 3.0),
            ("W8: 4 workers, times faster than 1", self._ratio(("W8", "1 worker"), ("W8", "4 workers")), 3.0),
            ("W10: carts a second, database queue", self._median("W10", "database queue"), 70.0),
        ]
        at_most = [
            ("W1: times the floor, real archive", self.of_floor("W1", REAL), 1.4),
            ("W1: times the floor, simulator", self.of_floor("W1", SIMULATOR), 1.4),
            ("W2: times the floor, real archive", self.of_floor("W2", REAL), 1.4),
            ("W2: times the floor, simulator", self.of_floor("W2", SIMULATOR), 1.4),
            ("W2: time per file, times W1's", self._growth(), 1.1),
            ("W3: times the floor", self.of_floor("W3", REAL), 1.25),
            ("W3: a worker's CPU, times that of the same bytes by hand", self.of_floor("W3", WORKER_CPU), 1.4),
            ("W4: carts not ready or wrong", self._wrong_carts(), 0.0),
            ("W7: archive requests", self._archive_requests("W7"), 0.0),
            ("W11: seconds to ready beside a flood, the slowest", self._slowest("W11"), 5.0),
            ("peak memory of one worker, MB", self._largest_worker(), RSS_BOUND / 10**6),
        ]
        return [Target(*row, at_most=False) for row in at_least] + [Target(*row, at_most=True) for row in at_most]

    def _ratio(self, one: tuple[str, str], other: tuple[str, str]) -> float | None:
        return _times_faster(self.figure(*other, OURS), self.figure(*one, OURS))

    def _median(self, workload: str, variant: str) -> float | None:
        figure = self.figure(workload, variant, OURS)
        return figure.median if figure else None

    def _growth(self) -> float | None:
        small, large = self.of("W1", REAL, OURS), self.of("W2", REAL, OURS)
        ratio = self._ratio(("W2", REAL), ("W1", REAL))
        return ratio * small[0].files / large[0].files if ratio and small and large else None

    def _wrong_carts(self) -> float | None:
        records = [record for record in self.records if (record.workload, record.side) == ("W4", OURS)]
        return float(sum(bool(record.problem) for record in records)) if records else None

    def _archive_requests(self, workload: str) -> float | None:
        return _largest(
            (record for record in self.records if record.workload == workload),
            lambda record: float(record.cost.archive_requests) if record.cost else 0.0,
        )

    def _slowest(self, workload: str) -> float | None:
        records = (record for record in self.records if record.workload == workload)
        return _largest(records, lambda record: record.figure)

    def _largest_worker(self) -> float | None:
        return _largest(
            (record for record in self.records if record.side == OURS and record.cost),
            lambda record: record.cost.reading.largest_rss.get("workers", 0) / 10**6 if record.cost else 0.0,
        )


def _times_faster(one: Figure | None, other: Figure | None) -> float | None:
    """How many times faster the first is than the second."""
    if one is None or other is None or not one.median or not other.median:
        return None
    return other.median / one.median if one.unit == SECONDS else one.median / other.median


def _largest(records: Iterable[Record], value: Callable[[Record], float]) -> float | None:
    return max(map(value, records), default=None)
