"""How a worker receives jobs, and when it gives one up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConsumerPolicy:
    """Times are in seconds."""

    #: jobs held at once
    slots: int
    #: a received message stays hidden from other workers for this long
    visibility: int
    #: the longest SQS waits for a message
    poll: int = 20
    #: pause after a receive that failed
    receive_pause: float = 1.0
    #: attempts without progress after which a job is given up
    poison_attempts: int = 5
    #: a job without progress for this long, while a dependency fails, is given up
    stalled_after: float = 86400.0
    #: a job of an unknown kind is deferred for this long, for a newer worker
    newer_kind_delay: float = 5.0
