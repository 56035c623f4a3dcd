"""How long things are kept, and how much one sweep does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long things are kept, in seconds.

    A bundle: `ttl` after its last use, but never less than `safe`; the least recently used bundles expire when there
    are more than `limit` bytes of them (0: no limit). An unfinished cart: `deadline`. An upload that no cart has
    recorded: `orphan`.
    """

    ttl: float
    safe: float
    limit: int
    deadline: float
    orphan: float


@dataclass(frozen=True, slots=True)
class SweepPolicy:
    """How much one sweep does, so that it stays short however large the backlog is.

    `resent`: jobs sent again. `carts`: carts failed, and carts expired. `dead_letter_batches`: receives from the
    dead-letter queue; other sweeps do not see the letters for `dead_letter_hidden` seconds. `reconcile_every`: seconds
    between two volume reconciliations. `orphan_slack`: seconds beyond two leases after which no worker can still record
    an upload it started.
    """

    resent: int = 1000
    carts: int = 100
    dead_letter_batches: int = 10
    dead_letter_hidden: int = 60
    reconcile_every: float = 45.0
    orphan_slack: float = 15.0


SWEEP_POLICY = SweepPolicy()
