"""What a handler returns: what happens to its job next. The job runner acts on it; handlers never change a lease."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.db.states import WaitsFor
from chalicelib.stores.job_row import JobKind


@dataclass(frozen=True, slots=True)
class Done:
    """The job is over. The handler deleted its row together with its last write."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Continue at once as another kind; the handler has updated the row.

    `work`: what that kind's handler would otherwise read from the database; each kind has its own type.
    """

    kind: JobKind
    window: int = 0
    work: object = None


@dataclass(frozen=True, slots=True)
class Defer:
    """Retry the job in `delay` seconds. This never counts as a failed attempt. `reason`: of the wait, in words."""

    delay: float
    waits_for: WaitsFor
    reason: str


@dataclass(frozen=True, slots=True)
class Park:
    """Like Defer, but the sweep sends the message. `window` replaces the job's: a clean-up keeps its pass there."""

    delay: float
    waits_for: WaitsFor
    reason: str
    window: int


Outcome = Done | Continue | Defer | Park
