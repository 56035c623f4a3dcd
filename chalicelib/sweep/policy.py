"""How long things are kept, and how much one sweep does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long things are kept, in seconds.

    A bundle: `ttl` after its last use, but never less than `safe`; the least recently used bundles expire when there
    are more than `limit` bytes of them (0: no limit). An unfinished cart: `deadline`. An upload that no cart has
    recorded: `orphan`. The entries of a failed cart: `failed` after its end. The row of a cart that is over: `history`.
    The record of who did what: `audit`.
    """

    ttl: float
    safe: float
    limit: int
    deadline: float
    orphan: float
    failed: float
    history: float
    audit: float


@dataclass(frozen=True, slots=True)
class SweepPolicy:
    """How much one sweep does, so that it stays short however large the backlog is.

    `resent`: jobs sent again. `carts`: carts failed, and carts expired. `dead_letter_batches`: receives from the
    dead-letter queue; other sweeps do not see the letters for `dead_letter_hidden` seconds. `reconcile_every`: seconds
    between two volume reconciliations. `orphan_slack`: seconds beyond two leases after which no worker can still record
    an upload it started. `cleared`: jobs added that delete the entries of carts, and `forgotten`: rows of old carts
    deleted, per kind of end. `uploads`: manifests' uploads removed. `upload_ttl`: seconds until an upload that was
    never posted is given up. `upload_slack`: seconds after the end of its URL in which a slow PUT may still arrive.
    `usage_every`: seconds between two recomputations of what an owner uses; `usages`: owners recomputed. `shares`:
    rows of shares deleted, `share_history` seconds after their end.
    `audit_unsealed`: seconds until an audit record is sealed; `audit_batches` seals are made, of `audit_batch` records,
    and up to `audit_forgotten` old ones deleted. `counts`: counts of refusals deleted. `worker_history`: seconds until
    the row of a worker that was not seen is deleted. `unworked`: seconds until a due job without a worker is a warning.
    `notified`: notifications deleted, `notified_history` seconds after their end. `waiting`: windows at their owner's
    limit that are looked at.
    """

    resent: int = 1000
    carts: int = 100
    dead_letter_batches: int = 10
    dead_letter_hidden: int = 60
    reconcile_every: float = 45.0
    orphan_slack: float = 15.0
    cleared: int = 100
    forgotten: int = 200
    uploads: int = 1000
    upload_ttl: float = 86400.0
    upload_slack: float = 3600.0
    usage_every: float = 300.0
    usages: int = 20
    shares: int = 1000
    share_history: float = 86400.0
    audit_unsealed: float = 5.0
    audit_batch: int = 1000
    audit_batches: int = 20
    audit_forgotten: int = 50
    counts: int = 5000
    worker_history: float = 86400.0
    unworked: float = 60.0
    notified: int = 5000
    notified_history: float = 7 * 86400.0
    waiting: int = 1000


SWEEP_POLICY = SweepPolicy()
