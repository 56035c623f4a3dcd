"""What a handler returns: what happens to its job next. The consumer acts on it; handlers never change a lease."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.stores.jobs import JobKind


@dataclass(frozen=True, slots=True)
class Done:
    """The job is over. The handler deleted its row together with its last write."""


@dataclass(frozen=True, slots=True)
class Continue:
    """The job goes on at once as another kind, which its row already says.

    `work`: what that kind's handler would otherwise read from the database; each kind has its own type.
    """

    kind: JobKind
    window: int = 0
    work: object = None


@dataclass(frozen=True, slots=True)
class Defer:
    """Look at the job again in `delay` seconds. This never counts as a failed attempt."""

    delay: float
    reason: str


@dataclass(frozen=True, slots=True)
class Park:
    """As Defer, but without a message: the sweep sends one after `delay` seconds. `window`: the job's from then on."""

    delay: float
    reason: str
    window: int


Outcome = Done | Continue | Defer | Park
