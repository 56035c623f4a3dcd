"""How a job is settled: every outcome and every exception of a handler, and messages that name no job."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.config.log_context import logged_fields
from chalicelib.db.states import WaitsFor
from chalicelib.errors import (
    DatabaseUnavailable,
    LeaseLost,
    PermanentError,
    PullingPaused,
    QueueUnavailable,
)
from chalicelib.job_message import JobMessage
from chalicelib.stores.cart_row import CartState
from chalicelib.stores.job_row import JobKind
from tests.doubles.runner_site import VISIBILITY, RunnerSite, returns
from tests.doubles.world import LEASE
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Continue, Defer, Done, Outcome, Park


@pytest.fixture
def site() -> RunnerSite:
    return RunnerSite()


def test_a_done_job_deletes_its_message(site: RunnerSite) -> None:
    site.send()
    site.on(JobKind.WINDOW, lambda lease, work: site.world.jobs.finish(lease.job, Done))
    site.handle_next()
    assert (len(site.queue), site.database.tables.jobs) == (0, {})


def test_a_deferred_job_gets_a_new_message_with_the_delay_and_the_old_one_is_deleted(site: RunnerSite) -> None:
    message = site.send()
    site.on(JobKind.WINDOW, returns(Defer(30, WaitsFor.TAPE, "on tape")))
    site.handle_next()
    row = site.row(message)
    assert (row.attempts, row.lease_until, row.wait_reason, row.token) == (0, 0, "on tape", 1)
    assert site.queue.sent == [(JobMessage(row.id, 1, f"cart-{site.cart.id}"), 30)]
    assert len(site.queue) == 1


def test_a_deferred_job_is_worked_on_again_and_never_given_up(site: RunnerSite) -> None:
    site.send()
    handler = site.on(JobKind.WINDOW, returns(Defer(30, WaitsFor.TAPE, "on tape")))
    for _ in range(20):
        site.handle_next()
        site.database.advance(30)
    assert len(handler.seen) == 20


def test_a_job_that_is_gone_when_its_worker_finds_pulling_paused_is_over(site: RunnerSite) -> None:
    def run(lease: Lease, work: Any) -> Outcome:
        site.database.transaction(lambda: site.world.jobs.delete_all(lease.job.cart_id))
        raise PullingPaused("new tapes")

    site.send()
    site.on(JobKind.WINDOW, run)
    site.handle_next()
    assert (len(site.queue), site.database.tables.jobs) == (0, {})


def test_a_parked_job_has_no_message(site: RunnerSite) -> None:
    message = site.send(JobKind.CLEANUP)
    site.on(JobKind.CLEANUP, returns(Park(45, WaitsFor.WORKER, "a worker may still be busy", 1)))
    site.handle_next()
    row = site.row(message)
    assert (row.window, row.has_message, row.next_send_at) == (1, False, site.database.now + 45)
    assert (site.queue.sent, len(site.queue)) == ([], 0)


def test_a_job_continues_as_another_kind_with_the_work_it_passes_on(site: RunnerSite) -> None:
    site.send(JobKind.MANIFEST)
    site.on(JobKind.MANIFEST, returns(Continue(JobKind.RECALL)))
    recall = site.on(JobKind.RECALL, returns(Continue(JobKind.WINDOW, 3, "the work")))
    window = site.on(JobKind.WINDOW, returns(Defer(9, WaitsFor.TURN, "later")))
    site.handle_next()
    assert recall.seen == [(JobKind.RECALL, 0, None)]
    assert window.seen == [(JobKind.WINDOW, 3, "the work")]
    assert [delay for _, delay in site.queue.sent] == [9], "the last outcome counts"


def test_a_job_that_cannot_reach_the_database_keeps_its_message_and_lease(site: RunnerSite) -> None:
    message, claimed_at = site.send(), site.database.now

    def script(lease: Lease, work: Any) -> Outcome:
        site.database.advance(20)
        raise DatabaseUnavailable

    site.on(JobKind.WINDOW, script)
    site.handle_next()
    assert site.row(message).lease_until == claimed_at + LEASE
    site.database.advance(VISIBILITY - 1)
    assert site.queue.receive(1, 0, 1) == [], "the message is hidden from the failure on, not from its receipt"
    site.database.advance(1)
    assert len(site.queue.receive(1, 0, 1)) == 1


def test_a_job_that_cannot_be_looked_up_leaves_its_message_and_stops_the_receiving(
    site: RunnerSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.send()

    def claim(job_id: int, token: int) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(site.world.jobs, "claim", claim)
    with pytest.raises(DatabaseUnavailable):
        site.handle_next()
    assert site.runner.database_down.is_set()
    assert len(site.queue) == 1
    assert site.runner.held.all() == []


def test_a_job_whose_lease_was_lost_is_left_to_its_new_holder(site: RunnerSite) -> None:
    message = site.send()

    def script(lease: Lease, work: Any) -> Outcome:
        site.database.advance(LEASE + 1)
        site.world.jobs.claim(lease.job.id, lease.job.token)
        raise LeaseLost

    site.on(JobKind.WINDOW, script)
    site.handle_next()
    assert (site.row(message).token, site.row(message).attempts) == (2, 2)
    assert site.queue.sent == []
    site.handle_next()
    assert len(site.queue) == 0, "its message is deleted when it finds nothing to do"


@pytest.mark.parametrize("outcome", [Defer(1, WaitsFor.TURN, "late"), Park(1, WaitsFor.TURN, "late", 9)])
def test_an_outcome_that_comes_after_the_lease_was_lost_changes_nothing(site: RunnerSite, outcome: Outcome) -> None:
    message = site.send()

    def script(lease: Lease, work: Any) -> Outcome:
        site.database.advance(LEASE + 1)
        site.world.jobs.claim(lease.job.id, lease.job.token)
        return outcome

    site.on(JobKind.WINDOW, script)
    site.handle_next()
    assert site.row(message).lease_until > site.database.now
    assert site.queue.sent == []


def test_a_cart_that_is_gone_is_not_failed(site: RunnerSite) -> None:
    site.send()

    def script(lease: Lease, work: Any) -> Outcome:
        site.database.transaction(lambda: site.world.endings.retire(site.cart.id))
        raise PermanentError("too late")

    site.on(JobKind.WINDOW, script)
    site.handle_next()
    assert site.world.carts.get(site.cart.id).state == CartState.WAITING
    assert len(site.queue) == 1, "its message now serves the clean-up"


def test_a_kind_that_only_newer_workers_know_is_left_to_them(site: RunnerSite) -> None:
    message = site.send("teleport")
    site.handle_next()
    row = site.row(message)
    assert (row.kind, row.attempts) == ("teleport", 0)
    assert row.wait_reason == "unknown job kind teleport; waiting for a newer worker"
    assert [delay for _, delay in site.queue.sent] == [7]


def test_a_message_of_a_newer_version_stays_in_the_queue(site: RunnerSite) -> None:
    site.queue.put('{"v": 2, "job": 1, "token": 0}')
    site.handle_next()
    assert len(site.queue) == 1
    assert site.queue.receive(1, 0, 1) == [], "until its visibility ends"


@pytest.mark.parametrize("body", ["", "nonsense", "[]", '{"v": 1, "job": 99, "token": 0}'])
def test_a_message_that_names_no_job_is_deleted(site: RunnerSite, body: str) -> None:
    site.queue.put(body)
    site.handle_next()
    assert len(site.queue) == 0


def test_a_copy_of_the_message_of_a_held_job_is_deleted(site: RunnerSite) -> None:
    message = site.send()
    site.world.jobs.claim(message.job_id, 0)
    site.handle_next()
    assert len(site.queue) == 0


def test_a_job_is_held_while_its_handler_runs(site: RunnerSite) -> None:
    site.send()
    held: list[bool] = []

    def script(lease: Lease, work: Any) -> Outcome:
        held.append(site.consumer.is_busy and site.runner.held.all() == [lease])
        raise ValueError("odd")

    site.on(JobKind.WINDOW, script)
    site.handle_next()
    assert held == [True]
    assert not site.consumer.is_busy


def test_a_queue_that_takes_no_message_does_not_stop_a_deferral(site: RunnerSite) -> None:
    message = site.send()
    site.on(JobKind.WINDOW, returns(Defer(30, WaitsFor.TAPE, "on tape")))
    (received,) = site.queue.receive(1, 0, VISIBILITY)
    site.queue.is_down = True
    with pytest.raises(QueueUnavailable):  # the old message cannot be deleted either
        site.runner.handle(received)
    assert site.row(message).next_send_at == site.database.now + 30 + LEASE, "the sweep sends it then"


def test_every_line_of_a_jobs_work_carries_its_cart_and_the_request_that_posted_it(site: RunnerSite) -> None:
    seen: list[dict[str, str | int]] = []

    def look(lease: Lease, work: Any) -> Outcome:
        seen.append(dict(logged_fields()))
        return Defer(30, WaitsFor.TAPE, "on tape")

    site.database.tables.requests[site.cart.id] = "5f3c"
    message = site.send()
    site.on(JobKind.WINDOW, look)
    site.handle_next()
    assert seen == [{"uid": site.cart.uid, "cart": site.cart.id, "job": message.job_id, "request": "5f3c"}]
    assert not logged_fields()
    assert site.queue.sent[0][0].request == "5f3c"
