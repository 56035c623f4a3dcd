"""The heartbeat: renews leases, extends messages, survives every error, and declares leases lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from chalicelib.errors import DatabaseUnavailable
from chalicelib.stores.job_row import Job, JobKind
from chalicelib.stores.jobs import JobStore
from tests.doubles.runner_site import VISIBILITY, RunnerSite
from tests.doubles.world import LEASE
from workers.runtime.heartbeat import Heartbeat
from workers.runtime.lease import Lease

PERIOD = 0.03  # seconds, the heartbeat's lease: it beats every 10 ms
ON_TIME, LATE = PERIOD, PERIOD * 1.5


class Beats:
    """A heartbeat of two held jobs. Each beat does the next of its steps instead of a plain renewal."""

    def __init__(self) -> None:
        self.site = RunnerSite()
        self.now = 0.0
        self.leases = [self._held(), self._held()]

    def run(self, *steps: Callable[[], Any]) -> None:
        """Run one beat per step, then stop. A step runs before the renewal; if it raises, the renewal fails."""
        left, jobs = list(steps), self.site.world.jobs

        class Steps:
            def renew(self, held: Iterable[Job]) -> list[Job]:
                step = left.pop(0)
                if not left:
                    heartbeat.stop()
                step()
                return jobs.renew(held)

        steps_as_store = cast(JobStore, Steps())
        held, queue = self.site.runner.held, cast(Any, self.site.queue)
        heartbeat = Heartbeat(steps_as_store, queue, held, lease=PERIOD, visibility=VISIBILITY, clock=lambda: self.now)
        heartbeat.run()

    def lost(self) -> list[bool]:
        return [lease.lost.is_set() for lease in self.leases]

    def at(self, now: float, error: Exception | None = None) -> Callable[[], None]:
        """A step at this time that fails with `error`."""

        def step() -> None:
            self.now = now
            if error is not None:
                raise error

        return step

    def _held(self) -> Lease:
        message = self.site.send(JobKind.WINDOW)
        (received,) = self.site.queue.receive(1, 0, VISIBILITY)
        job = self.site.world.jobs.claim(message.job_id, 0)
        assert job is not None
        lease = Lease(job, received.receipt, threading.Event())
        self.site.runner.held.add(lease)
        return lease


@pytest.fixture
def beats() -> Beats:
    return Beats()


def test_a_beat_renews_leases_and_extends_their_messages(beats: Beats) -> None:
    database, queue = beats.site.database, beats.site.queue
    beats.run(lambda: database.advance(20))
    assert {row.lease_until for row in database.tables.jobs.values()} == {database.now + LEASE}
    database.advance(VISIBILITY - 1)
    assert queue.receive(2, 0, 1) == []
    database.advance(1)
    assert len(queue.receive(2, 0, 1)) == 2
    assert beats.lost() == [False, False]


def test_a_lease_that_another_worker_took_is_lost_and_its_message_not_extended(beats: Beats) -> None:
    database, first = beats.site.database, beats.leases[0]

    def taken() -> None:
        database.advance(LEASE - 1)
        beats.site.world.jobs.renew([beats.leases[1].job])
        database.advance(1)
        assert beats.site.world.jobs.claim(first.job.id, first.job.token) is not None

    beats.run(taken)
    assert beats.lost() == [True, False]
    database.advance(VISIBILITY - LEASE)
    (visible,) = beats.site.queue.receive(2, 0, 1)
    assert f'"job":{first.job.id},' in visible.body.replace(" ", "")


def test_a_queue_that_is_down_costs_no_lease(beats: Beats) -> None:
    beats.site.queue.is_down = True
    beats.run(beats.at(ON_TIME), beats.at(LATE), beats.at(1.9 * PERIOD, DatabaseUnavailable()))
    assert beats.lost() == [False, False], "the renewals before it succeeded"


@pytest.mark.parametrize("error", [DatabaseUnavailable(), ValueError("odd"), ZeroDivisionError()])
def test_a_beat_that_fails_is_followed_by_the_next(beats: Beats, error: Exception) -> None:
    database = beats.site.database
    beats.run(beats.at(0, error), beats.at(0, error), lambda: database.advance(20))
    assert {row.lease_until for row in database.tables.jobs.values()} == {database.now + LEASE}
    assert beats.lost() == [False, False]


def test_leases_are_lost_once_they_could_not_be_renewed_for_a_whole_lease(beats: Beats) -> None:
    beats.run(beats.at(ON_TIME / 3, DatabaseUnavailable()), beats.at(ON_TIME, DatabaseUnavailable()))
    assert beats.lost() == [False, False]
    beats.now = 0.0
    beats.run(beats.at(LATE, DatabaseUnavailable()))
    assert beats.lost() == [True, True]


def test_a_renewal_counts_from_when_it_began(beats: Beats) -> None:
    # The first renewal begins at 0 and ends at 1 lease; at 1.5 leases the lease has run out.
    beats.run(beats.at(ON_TIME), beats.at(LATE, DatabaseUnavailable()))
    assert beats.lost() == [True, True]


def test_a_renewal_starts_the_time_again(beats: Beats) -> None:
    late = 1.9 * PERIOD

    def second() -> None:
        beats.now = late

    beats.run(beats.at(ON_TIME), second, beats.at(late, DatabaseUnavailable()))
    assert beats.lost() == [False, False]
