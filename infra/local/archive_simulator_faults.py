"""Fault injection for the simulated archive. A seeded generator draws the faults, so a run can be repeated.

Rates are probabilities per request. `error`, `reset` and `stall` apply to every file request, `truncate` and `wrong`
only to the body of a GET. In a GET, resets and stalls come past the middle of the body, when the reader has received
some of it. `fail` names ids whose first GETs fail: {"42": {"wrong": 2}}.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from infra.local.archive_simulator_files import Chunk

RATES = ("error", "reset", "stall", "truncate", "wrong")
BODY_FAULTS = ("truncate", "wrong")


@dataclass(frozen=True, slots=True)
class Faults:
    error: float = 0.0
    reset: float = 0.0
    stall: float = 0.0
    truncate: float = 0.0
    wrong: float = 0.0
    stall_seconds: float = 5.0
    latency_ms: float = 0.0
    #: Respond to a recall only when the file is online, like the archive's Oracle HSM back end.
    recall_blocks: bool = False
    #: Close the connection after every response, like the real archive.
    close_each: bool = False
    #: Answer 503 to everything, including GET /.
    down: bool = False
    #: Ids that are not in the archive, and ids whose storage media is `error`.
    missing: frozenset[str] = frozenset()
    damaged: frozenset[str] = frozenset()
    fail: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    #: Last-Modified by id, in place of the file's own.
    mtimes: Mapping[str, str] = field(default_factory=dict)
    #: By id, the seconds between one byte of a GET's body and the next.
    drip: Mapping[str, float] = field(default_factory=dict)
    #: Bytes a second of each GET's body, as of a connection that is the bottleneck; 0 for no limit.
    bandwidth: float = 0.0
    seed: int = 0

    def changed(self, changes: Mapping[str, Any]) -> Faults:
        """A copy with these changes, which are JSON values. Raises ValueError for an unknown or invalid fault."""
        unknown = sorted(changes.keys() - {known.name for known in fields(Faults)})
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}")
        sets = {name: frozenset(map(str, changes[name])) for name in ("missing", "damaged") if name in changes}
        faults = replace(self, **{**changes, **sets})
        _check(faults)
        return faults


class FaultDice:
    """Draws the fault of each request."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._random = random.Random(faults.seed)
        self._left = {archive_id: dict(kinds) for archive_id, kinds in faults.fail.items()}

    def draw(self, archive_id: str, *, body: bool) -> str | None:
        """The fault of this request, or None; `body` is true if the response has a body."""
        if body and archive_id in self._left:
            for kind, left in self._left[archive_id].items():
                if left > 0:
                    self._left[archive_id][kind] -= 1
                    return kind
        for kind in RATES:
            rate: float = getattr(self.faults, kind)
            if rate and (body or kind not in BODY_FAULTS) and self._random.random() < rate:
                return kind
        return None


def corrupted(chunks: Iterator[Chunk], at: int) -> Iterator[Chunk]:
    """The same bytes, except that the one at offset `at` is inverted."""
    for chunk in chunks:
        if 0 <= at < len(chunk):
            changed = bytearray(chunk)
            changed[at] ^= 0xFF
            yield bytes(changed)
        else:
            yield chunk
        at -= len(chunk)


def _check(faults: Faults) -> None:
    for rate in RATES:
        if not 0 <= getattr(faults, rate) <= 1:
            raise ValueError(f"{rate}: must be 0 to 1")
    kinds = {kind for kinds in faults.fail.values() for kind in kinds}
    if kinds - set(RATES):
        raise ValueError(f"fail: unknown {', '.join(sorted(kinds - set(RATES)))}")
