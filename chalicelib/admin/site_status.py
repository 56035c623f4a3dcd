"""Gathers how the site is doing, and says what of it needs a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chalicelib.admin.bounded import Bounded, TookTooLong
from chalicelib.admin.wording import age, longest, numbered
from chalicelib.config.settings import Settings
from chalicelib.db import schema
from chalicelib.db.database import Database
from chalicelib.db.snapshot import snapshot
from chalicelib.db.states import WaitsFor
from chalicelib.errors import CartError
from chalicelib.stores.cart_row import UNFINISHED
from chalicelib.stores.cart_search import CartSearch, FoundCart
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.site_figures import SiteFigures, SpaceFigures, StateFigures
from chalicelib.stores.sweep_times import SweepTimes
from chalicelib.stores.switches import Pause, SwitchStore
from chalicelib.stores.waiting_jobs import CartWait, JobGroup, JobWaitStore
from chalicelib.stores.worker_states import WorkerState, WorkerStateStore

if TYPE_CHECKING:
    from chalicelib.admin.looking import Queues
    from chalicelib.aws.queue_view import QueueDepth

#: What no wait ends but a repair; the others end by themselves, or are an owner's or an operator's.
DEPENDENCIES = (WaitsFor.ARCHIVE, WaitsFor.STORE, WaitsFor.QUEUE, WaitsFor.DATABASE, WaitsFor.POLICY)


SWEEP_LATE = 180.0  # seconds; it runs every minute on AWS, and more often elsewhere by default


@dataclass(frozen=True, slots=True)
class StatusPolicy:
    """Seconds: a worker is there if it was seen within `seen`; a wait for a dependency is long after `patience`."""

    seen: float = 60.0
    patience: float = 300.0
    queue: float = 3.0


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """`jobs`, `dead`: None if the queue did not answer, which `problem` says, or if the jobs table is the queue."""

    jobs: QueueDepth | None
    dead: QueueDepth | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """All figures are of `now`, seconds since the epoch."""

    now: float
    states: Sequence[StateFigures]
    oldest: FoundCart | None
    oldest_waits: CartWait | None
    jobs: Sequence[JobGroup]
    space: SpaceFigures
    limit: int
    queue: QueueStatus
    workers: Sequence[WorkerState]
    pauses: Sequence[Pause]
    version: int
    #: when the sweep last ran; None if never
    swept_at: float | None
    sweep_interval: float

    def seen(self, policy: StatusPolicy) -> list[WorkerState]:
        """The workers that are there."""
        return [
            worker for worker in self.workers if worker.stopped_at is None and self.now - worker.seen_at <= policy.seen
        ]


def gather(
    settings: Settings, database: Database, queues: Callable[[], Queues | None], policy: StatusPolicy = StatusPolicy()
) -> SiteStatus:
    """The database's figures agree with each other; the queue is asked meanwhile."""
    asking = Bounded(lambda: _queue(queues()))
    figures, waits, search = SiteFigures(database), JobWaitStore(database), CartSearch(database)
    with snapshot(database):
        oldest = search.oldest_unfinished()
        found = SiteStatus(
            now=database.clock(),
            states=figures.states(),
            oldest=oldest,
            oldest_waits=waits.of_carts([oldest.id]).get(oldest.id) if oldest else None,
            jobs=waits.groups(),
            space=figures.space(),
            limit=settings.volume_limit,
            queue=QueueStatus(None, None),
            workers=WorkerStateStore(database).all(),
            pauses=SwitchStore(database).pauses(),
            version=schema.applied(database),
            swept_at=SweepTimes(database).last(),
            sweep_interval=settings.sweep_interval,
        )
    return _with_queue(found, asking, policy)


def problems_of(status: SiteStatus, policy: StatusPolicy = StatusPolicy()) -> list[str]:
    """What needs a person, in words."""
    now = status.now
    problems = [status.queue.problem] if status.queue.problem else []
    unfinished = sum(row.carts for row in status.states if row.state in UNFINISHED)
    if unfinished and not status.seen(policy):
        problems.append(f"{numbered(unfinished, 'unfinished cart')}, and no worker was seen for {age(policy.seen)}")
    problems += [f"the worker {worker.name} hangs in: {worker.step}" for worker in status.seen(policy) if worker.hung]
    if unfinished and is_late(status.swept_at, now, status.sweep_interval):
        problems.append(f"the sweep {last_sweep(status.swept_at, now)}: work that crashes waits until it runs")
    if status.queue.dead and status.queue.dead.visible:
        problems.append(f"{numbered(status.queue.dead.visible, 'dead letter')}: `queue` shows of which jobs")
    return problems + [in_words(row, now) for row in long_waits(status.jobs, now, policy.patience)]


def is_late(swept_at: float | None, now: float, interval: float) -> bool:
    """`interval`: seconds between sweeps, where no schedule runs them."""
    return swept_at is None or now - swept_at > max(SWEEP_LATE, 3 * interval)


def last_sweep(swept_at: float | None, now: float) -> str:
    return "has never run" if swept_at is None else f"last ran {age(now - swept_at)} ago"


def long_waits(jobs: Sequence[JobGroup], now: float, patience: float) -> list[JobGroup]:
    """Those that have waited for a dependency for more than `patience` seconds."""
    waits = [row for row in jobs if row.waits_for in DEPENDENCIES and row.kind != JobKind.CLEANUP]
    return [row for row in waits if now - row.since > patience]


def in_words(row: JobGroup, now: float) -> str:
    return f"{numbered(row.jobs, f'{row.kind} job')} waiting for {row.waits_for}, {longest(row.jobs, now - row.since)}"


def _queue(queues: Queues | None) -> QueueStatus:
    return QueueStatus(None, None) if queues is None else QueueStatus(queues.jobs.depth(), queues.dead.depth())


def _with_queue(status: SiteStatus, asking: Bounded[QueueStatus], policy: StatusPolicy) -> SiteStatus:
    try:
        return replace(status, queue=asking.result(policy.queue))
    except TookTooLong:
        problem = f"the queue did not answer within {policy.queue:g} s"
    except CartError as error:
        problem = error.message
    return replace(status, queue=QueueStatus(None, None, problem))
