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
    #: where the jobs table is the queue, an idle worker looks at it after a time between these, unless it is woken
    look: tuple[float, float] = (0.3, 1.9)
    #: there, when more workers than this sleep on a machine, each looks the less often: one of them soon will
    lookers: int = 5
    #: but no more than this many times: what sleeps there may stand still, or belong to another site
    least_often: float = 5.0
    #: there, a worker that has claimed a job gives one that it woke this long to claim the next
    let_others: float = 0.01
    #: how often a worker whose free place is kept for small carts looks for one
    look_for_small: float = 0.5
    #: after this long it passes the message on, to a worker that may have a place for any job
    hold_message: float = 5.0
    #: a message that arrives less than this before its job is due is kept, since clocks differ
    early: float = 5.0
    #: attempts without progress after which a job is given up
    poison_attempts: int = 5
    #: a job without progress for this long, while a dependency fails, is given up
    stalled_after: float = 86400.0
    #: a job of an unknown kind is deferred for this long, for a newer worker
    newer_kind_delay: float = 5.0
    #: a job that needs the archive is deferred for this long while pulling is paused
    paused_delay: float = 15.0
