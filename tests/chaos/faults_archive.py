"""Faults of the archive: it fails, stalls, truncates, resets, sends wrong bytes, is slow or is down."""

from __future__ import annotations

import signal
from typing import Any, ClassVar

from tests.chaos.faults import Fault

NO_FAULTS: dict[str, Any] = dict.fromkeys(("error", "reset", "stall", "truncate", "wrong", "latency_ms"), 0.0)


class _Archive(Fault):
    faults: ClassVar[dict[str, Any]] = {}

    def begin(self) -> None:
        self.site.archive.control(**self.faults, seed=self.rng.randrange(1 << 30))

    def end(self) -> None:
        self.site.archive.control(**NO_FAULTS, down=False)


class ArchiveFails(_Archive):
    """A third of all requests get 500."""

    faults: ClassVar[dict[str, Any]] = {"error": 0.3}


class ArchiveStalls(_Archive):
    """Some responses stop in mid-body for longer than the read timeout."""

    faults: ClassVar[dict[str, Any]] = {"stall": 0.15, "stall_seconds": 3.0}


class ArchiveTruncates(_Archive):
    """Bodies end too early but look complete."""

    faults: ClassVar[dict[str, Any]] = {"truncate": 0.4}


class ArchiveSendsWrongBytes(_Archive):
    """Bodies of the right length have one wrong byte, which must never reach a bundle."""

    needs_hashes = True
    may_fail = True  # after three wrong bodies for one file the cart fails
    faults: ClassVar[dict[str, Any]] = {"wrong": 0.3}


class ArchiveResets(_Archive):
    """Connections are reset in mid-body."""

    faults: ClassVar[dict[str, Any]] = {"reset": 0.3}


class ArchiveDown(_Archive):
    """Every request gets 503, including the health check."""

    faults: ClassVar[dict[str, Any]] = {"down": True}


class ArchiveSlow(_Archive):
    """Every response takes 300 ms longer, and workers are killed while they wait."""

    faults: ClassVar[dict[str, Any]] = {"latency_ms": 300.0}

    def tick(self) -> None:
        if self.happens(0.7):
            self.rng.choice(self.site.workers).signal(signal.SIGKILL)


ARCHIVE_FAULTS = (
    ArchiveFails, ArchiveStalls, ArchiveTruncates, ArchiveSendsWrongBytes, ArchiveResets, ArchiveDown, ArchiveSlow,
)  # fmt: skip
