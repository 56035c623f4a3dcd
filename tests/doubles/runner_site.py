"""A job runner on doubles, with one cart and handlers that do what a test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from chalicelib.job_message import JobMessage
from chalicelib.job_queue import JobQueue
from chalicelib.stores.job_row import JobKind
from tests.doubles.database import JobRow, MemoryDatabase
from tests.doubles.job_queue import MemoryJobQueue
from tests.doubles.world import LEASE, in_memory
from workers.handlers.fail_cart import FailCart
from workers.runtime.consumer import Consumer
from workers.runtime.heartbeat import Heartbeat
from workers.runtime.job_runner import Handler, JobRunner
from workers.runtime.lease import Lease
from workers.runtime.message_source import MessageSource
from workers.runtime.next_job import NextJob
from workers.runtime.outcomes import Outcome
from workers.runtime.policy import ConsumerPolicy
from workers.runtime.wait_log import WaitLog

VISIBILITY = 60
POLICY = ConsumerPolicy(slots=2, visibility=VISIBILITY, poison_attempts=5, stalled_after=3600, newer_kind_delay=7)

Script = Callable[[Lease, Any], Outcome]


@dataclass
class Scripted:
    """A handler that does what the test says; `seen`: the job and the work of each run."""

    script: Script
    seen: list[tuple[str, int, Any]] = field(default_factory=list)

    def run(self, lease: Lease) -> Outcome:
        return self.run_with(lease, None)

    def run_with(self, lease: Lease, work: Any) -> Outcome:
        self.seen.append((lease.job.kind, lease.job.window, work))
        return self.script(lease, work)


class RunnerSite:
    """A job runner on doubles, with one cart and scripted handlers."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.world = in_memory(self.database)
        self.queue = MemoryJobQueue(self.database.clock)
        self.handlers: dict[str, Scripted] = {}
        queue = cast(JobQueue, self.queue)
        give_up = FailCart(self.world.jobs, self.world.endings, queue).run
        handlers = cast(Mapping[str, Handler], self.handlers)
        self.waits = WaitLog(clock=self.database.clock)
        next_job = NextJob(self.world.jobs, self.world.due_jobs, POLICY.slots)
        self.runner = JobRunner(
            self.world.jobs, next_job, queue, handlers, give_up, self.database.clock, POLICY, self.waits
        )
        heartbeat = Heartbeat(self.world.jobs, queue, self.runner.held, lease=LEASE, visibility=VISIBILITY)
        source = MessageSource(queue, self.runner, POLICY, self.database.clock)
        self.consumer = Consumer(source, self.runner, heartbeat, self.database.clock, POLICY)
        self.cart = self.world.cart()

    def send(self, kind: str = JobKind.WINDOW, window: int = 0) -> JobMessage:
        """Add a job of the cart and send its message."""
        message = self.world.job(self.cart.id, kind, window)
        self.queue.send([message])
        self.queue.sent.clear()
        return message

    def on(self, kind: str, script: Script) -> Scripted:
        handler = self.handlers[kind] = Scripted(script)
        return handler

    def handle_next(self) -> None:
        """Receive one message and handle it."""
        (message,) = self.queue.receive(1, 0, VISIBILITY)
        self.runner.handle(message)

    def row(self, message: JobMessage) -> JobRow:
        return self.database.tables.jobs[message.job_id]


def returns(outcome: Outcome) -> Script:
    return lambda lease, work: outcome


def raises(error: Exception) -> Script:
    def script(lease: Lease, work: Any) -> Outcome:
        raise error

    return script
