"""Counts the simulated archive's requests, in total and per id."""

from __future__ import annotations

from collections import Counter, defaultdict

KINDS = ("heads", "recalls", "gets", "bytes")


class Counters:
    def __init__(self) -> None:
        self._in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Set all counters to zero; requests in flight still count towards the peak."""
        self.connections = 0
        self._peak = self._in_flight
        self._faults: Counter[str] = Counter()
        self._ids: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(KINDS, 0))

    def begin(self) -> None:
        self._in_flight += 1
        self._peak = max(self._peak, self._in_flight)

    def end(self) -> None:
        self._in_flight -= 1

    def count(self, archive_id: str, kind: str) -> None:
        self._ids[archive_id][kind] += 1

    def sent(self, archive_id: str, size: int) -> None:
        self._ids[archive_id]["bytes"] += size

    def fault(self, kind: str) -> None:
        self._faults[kind] += 1

    def report(self) -> dict[str, object]:
        """`totals`, `ids`, `faults` injected, `connections` accepted, and the `peak` of requests in flight."""
        totals = {kind: sum(counts[kind] for counts in self._ids.values()) for kind in KINDS}
        return {
            "totals": totals,
            "ids": dict(self._ids),
            "faults": dict(self._faults),
            "connections": self.connections,
            "peak": self._peak,
        }
