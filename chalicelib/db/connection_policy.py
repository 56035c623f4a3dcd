"""How often and how soon a connection or a transaction is tried again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """Times in seconds. A transaction that loses against another is attempted at most `tries` times.

    The pause before the second try is random, `pause_min` to `pause_max`; each further pause is twice as long. A
    connection idle for `idle` is pinged before it is used.
    """

    tries: int = 8
    pause_min: float = 0.005
    pause_max: float = 0.05
    idle: float = 10.0


CONNECTION_POLICY = ConnectionPolicy()
