"""An archive that fails, stalls, breaks off, sends wrong bytes, or is down; files that wait on tape."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.chaos.faults import Fault

NONE: dict[str, Any] = dict.fromkeys(("error", "reset", "stall", "truncate", "wrong", "latency_ms"), 0.0)


class _Archive(Fault):
    faults: ClassVar[dict[str, Any]] = {}

    def begin(self) -> None:
        self.site.archive.control(**self.faults, seed=self.rng.randrange(1 << 30))

    def end(self) -> None:
        self.site.archive.control(**NONE, down=False)


class ArchiveFails(_Archive):
    """500 to a third of all requests."""

    faults: ClassVar[dict[str, Any]] = {"error": 0.3}


class ArchiveStalls(_Archive):
    """Answers that stop in the middle for longer than is waited for them."""

    faults: ClassVar[dict[str, Any]] = {"stall": 0.15, "stall_seconds": 3.0}


class ArchiveTruncates(_Archive):
    """Bodies that end too early, and look as if they were whole."""

    faults: ClassVar[dict[str, Any]] = {"truncate": 0.4}


class ArchiveSendsWrongBytes(_Archive):
    """Bodies of the right length with a wrong byte: no bundle may ever have it."""

    needs_hashes = True
    may_fail = True  # three wrong answers for one file are believed
    faults: ClassVar[dict[str, Any]] = {"wrong": 0.3}


class ArchiveResets(_Archive):
    """Connections reset in mid-body."""

    faults: ClassVar[dict[str, Any]] = {"reset": 0.3}


class ArchiveDown(_Archive):
    """503 to everything, its own GET / too."""

    faults: ClassVar[dict[str, Any]] = {"down": True}


class ArchiveSlow(_Archive):
    """Half a second before each answer, and workers that die meanwhile."""

    faults: ClassVar[dict[str, Any]] = {"latency_ms": 300.0}

    def tick(self) -> None:
        if self.often(0.7):
            import signal

            self.rng.choice(self.site.workers).signal(signal.SIGKILL)


ARCHIVE = (
    ArchiveFails, ArchiveStalls, ArchiveTruncates, ArchiveSendsWrongBytes, ArchiveResets, ArchiveDown, ArchiveSlow,
)  # fmt: skip
