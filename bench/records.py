"""What was measured: one record per repetition of a workload on one side, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.meter import Reading

OURS, PEER, FLOOR = "ours", "peer", "floor"
SECONDS, PER_SECOND, MIB_PER_SECOND = "s", "/s", "MiB/s"


@dataclass(frozen=True, slots=True)
class Cost:
    reading: Reading
    #: statements and requests but for those the polling client caused
    sql: int
    messages: int
    archive_requests: int


@dataclass(frozen=True, slots=True)
class Record:
    workload: str
    #: which archive, how many workers: only equal variants are compared
    variant: str
    side: str
    figure: float
    unit: str = SECONDS
    files: int = 0
    size: int = 0
    #: what the figure is made of
    parts: Mapping[str, float] = field(default_factory=dict)
    cost: Cost | None = None
    #: how the figure came about where it was not just measured
    note: str = ""
    #: what went wrong; such a record is reported, and its figure is not used
    problem: str = ""

    def line(self) -> str:
        """For the one who waits."""
        said = f"{self.workload:<3} {self.variant:<22} {self.side:<6} {self.figure:10.3f} {self.unit:<6}"
        parts = "  ".join(f"{name} {value:.3f}" for name, value in self.parts.items())
        return "  ".join(filter(None, (said, parts, self.note, self.problem and f"PROBLEM: {self.problem}")))
