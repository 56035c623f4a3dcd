"""Measurements: one record per repetition of a workload on one side, with its cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.meter import Reading

OURS, PEER, FLOOR = "ours", "peer", "floor"
SECONDS, PER_SECOND, MIB_PER_SECOND = "s", "/s", "MiB/s"


@dataclass(frozen=True, slots=True)
class Cost:
    reading: Reading
    #: statements, except those caused by the polling client
    sql: int
    messages: int
    archive_requests: int


@dataclass(frozen=True, slots=True)
class Record:
    workload: str
    #: the archive or the number of workers; only records of the same variant are compared
    variant: str
    side: str
    figure: float
    unit: str = SECONDS
    files: int = 0
    size: int = 0
    #: components of the figure
    parts: Mapping[str, float] = field(default_factory=dict)
    cost: Cost | None = None
    #: a remark, for example that the figure is modelled
    note: str = ""
    #: what went wrong; the record is listed in the report and its figure is ignored
    problem: str = ""

    def line(self) -> str:
        """A progress line for the terminal."""
        figure = f"{self.workload:<3} {self.variant:<22} {self.side:<6} {self.figure:10.3f} {self.unit:<6}"
        parts = "  ".join(f"{name} {value:.3f}" for name, value in self.parts.items())
        return "  ".join(filter(None, (figure, parts, self.note, self.problem and f"PROBLEM: {self.problem}")))
