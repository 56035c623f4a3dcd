"""How a job is settled: every outcome and every exception of a handler, and messages that name no job."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from chalicelib.errors import (
    DatabaseUnavailable,
    LeaseLost,
    PermanentError,
)
from chalicelib.job_message import JobMessage
from chalicelib.stores.carts import CartState
from chalicelib.stores.jobs import JobKind
from tests.doubles.bench import VISIBILITY, Bench, raises, returns
from tests.doubles.world import LEASE
from workers.runtime.lease import Lease, WorkerStopping
from workers.runtime.outcomes import Continue, Defer, Done, Outcome, Park


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_done_job_deletes_its_message(bench: Bench) -> None:
    bench.send()
    bench.on(JobKind.WINDOW, lambda lease, work: bench.world.jobs.finish(lease.job, Done))
    bench.handle_next()
    assert (len(bench.queue), bench.database.tables.jobs) == (0, {})


def test_a_deferred_job_gets_a_new_message_with_the_delay_and_the_old_one_is_deleted(bench: Bench) -> None:
    message = bench.send()
    bench.on(JobKind.WINDOW, returns(Defer(30, "on tape")))
    bench.handle_next()
    row = bench.row(message)
    assert (row.attempts, row.lease_until, row.wait_reason, row.token) == (0, 0, "on tape", 1)
    assert bench.queue.sent == [(JobMessage(row.id, 1, f"cart-{bench.cart.id}"), 30)]
    assert len(bench.queue) == 1


def test_a_deferred_job_is_worked_on_again_and_never_given_up(bench: Bench) -> None:
    bench.send()
    handler = bench.on(JobKind.WINDOW, returns(Defer(30, "on tape")))
    for _ in range(20):
        bench.handle_next()
        bench.database.advance(30)
    assert len(handler.seen) == 20


def test_a_parked_job_has_no_message(bench: Bench) -> None:
    message = bench.send(JobKind.CLEANUP)
    bench.on(JobKind.CLEANUP, returns(Park(45, "a worker may still be busy", 1)))
    bench.handle_next()
    row = bench.row(message)
    assert (row.window, row.has_message, row.next_send_at) == (1, False, bench.database.now + 45)
    assert (bench.queue.sent, len(bench.queue)) == ([], 0)


def test_a_job_continues_as_another_kind_with_the_work_it_passes_on(bench: Bench) -> None:
    bench.send(JobKind.MANIFEST)
    bench.on(JobKind.MANIFEST, returns(Continue(JobKind.RECALL)))
    recall = bench.on(JobKind.RECALL, returns(Continue(JobKind.WINDOW, 3, "the work")))
    window = bench.on(JobKind.WINDOW, returns(Defer(9, "later")))
    bench.handle_next()
    assert recall.seen == [(JobKind.RECALL, 0, None)]
    assert window.seen == [(JobKind.WINDOW, 3, "the work")]
    assert [delay for _, delay in bench.queue.sent] == [9], "the last outcome counts"


def test_a_job_that_cannot_reach_the_database_keeps_its_message_and_lease(bench: Bench) -> None:
    message = bench.send()
    bench.on(JobKind.WINDOW, raises(DatabaseUnavailable()))
    bench.handle_next()
    assert bench.row(message).lease_until == bench.database.now + LEASE
    assert bench.queue.receive(1, 0, 1) == []
    bench.database.advance(VISIBILITY)
    assert len(bench.queue.receive(1, 0, 1)) == 1


def test_a_job_that_cannot_be_looked_up_leaves_its_message_and_stops_the_receiving(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.send()

    def claim(job_id: int, token: int) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(bench.world.jobs, "claim", claim)
    with pytest.raises(DatabaseUnavailable):
        bench.handle_next()
    assert bench.runner.database_down.is_set()
    assert len(bench.queue) == 1
    assert bench.runner.held.all() == []


def test_a_job_whose_lease_was_lost_is_left_to_its_new_holder(bench: Bench) -> None:
    message = bench.send()

    def script(lease: Lease, work: Any) -> Outcome:
        bench.database.advance(LEASE + 1)
        bench.world.jobs.claim(lease.job.id, 0)
        raise LeaseLost

    bench.on(JobKind.WINDOW, script)
    bench.handle_next()
    assert (bench.row(message).token, bench.row(message).attempts) == (2, 2)
    assert (bench.queue.sent, len(bench.queue)) == ([], 0)


@pytest.mark.parametrize("outcome", [Defer(1, "late"), Park(1, "late", 9)])
def test_an_outcome_that_comes_after_the_lease_was_lost_changes_nothing(bench: Bench, outcome: Outcome) -> None:
    message = bench.send()

    def script(lease: Lease, work: Any) -> Outcome:
        bench.database.advance(LEASE + 1)
        bench.world.jobs.claim(lease.job.id, 0)
        return outcome

    bench.on(JobKind.WINDOW, script)
    bench.handle_next()
    assert bench.row(message).lease_until > bench.database.now
    assert bench.queue.sent == []


def test_a_cart_that_is_gone_is_not_failed(bench: Bench) -> None:
    bench.send()

    def script(lease: Lease, work: Any) -> Outcome:
        bench.database.transaction(lambda: bench.world.endings.retire(bench.cart.id))
        raise PermanentError("too late")

    bench.on(JobKind.WINDOW, script)
    bench.handle_next()
    assert bench.world.carts.get(bench.cart.id).state == CartState.WAITING
    assert len(bench.queue) == 0


def test_a_kind_that_only_newer_workers_know_is_left_to_them(bench: Bench) -> None:
    message = bench.send("teleport")
    bench.handle_next()
    row = bench.row(message)
    assert (row.kind, row.attempts) == ("teleport", 0)
    assert row.wait_reason == "only newer workers know jobs of kind teleport"
    assert [delay for _, delay in bench.queue.sent] == [7]


def test_a_message_of_a_newer_version_stays_in_the_queue(bench: Bench) -> None:
    bench.queue.put('{"v": 2, "job": 1, "token": 0}')
    bench.handle_next()
    assert len(bench.queue) == 1
    assert bench.queue.receive(1, 0, 1) == [], "until its visibility ends"


@pytest.mark.parametrize("body", ["", "nonsense", "[]", '{"v": 1, "job": 99, "token": 0}'])
def test_a_message_that_names_no_job_is_deleted(bench: Bench, body: str) -> None:
    bench.queue.put(body)
    bench.handle_next()
    assert len(bench.queue) == 0


def test_a_copy_of_the_message_of_a_held_job_is_deleted(bench: Bench) -> None:
    message = bench.send()
    bench.world.jobs.claim(message.job_id, 0)
    bench.handle_next()
    assert len(bench.queue) == 0


def test_a_job_is_held_while_its_handler_runs(bench: Bench) -> None:
    bench.send()
    held: list[bool] = []

    def script(lease: Lease, work: Any) -> Outcome:
        held.append(bench.consumer.is_busy and bench.runner.held.all() == [lease])
        raise ValueError("odd")

    bench.on(JobKind.WINDOW, script)
    bench.handle_next()
    assert held == [True]
    assert not bench.consumer.is_busy


def test_a_worker_that_drains_gives_messages_back_unread(bench: Bench) -> None:
    message = bench.send()
    bench.runner.stopping.set()
    bench.handle_next()
    assert bench.row(message).token == 0
    assert len(bench.queue.receive(1, 0, 1)) == 1


def test_a_handler_that_stops_for_a_drain_has_its_job_and_message_requeued(bench: Bench) -> None:
    message = bench.send()
    bench.on(JobKind.WINDOW, raises(WorkerStopping()))
    bench.handle_next()
    row = bench.row(message)
    assert (row.attempts, row.lease_until, row.next_send_at) == (0, 0, bench.database.now)
    (again,) = bench.queue.receive(1, 0, 1)
    bench.on(JobKind.WINDOW, lambda lease, work: bench.world.jobs.finish(lease.job, Done))
    bench.runner.handle(again)
    assert bench.database.tables.jobs == {}


def test_a_drain_waits_for_handlers_that_return(bench: Bench) -> None:
    bench.send()
    bench.on(JobKind.WINDOW, lambda lease, work: bench.world.jobs.finish(lease.job, Done))
    bench.handle_next()
    assert bench.consumer.drain(0)


def test_a_drain_requeues_what_a_handler_still_holds_and_fences_its_writes(bench: Bench) -> None:
    message = bench.send()
    started, drained = threading.Event(), threading.Event()
    late: list[bool] = []

    def script(lease: Lease, work: Any) -> Outcome:
        started.set()
        drained.wait(5)
        late.append(lease.lost.is_set())
        return bench.world.jobs.finish(lease.job, Done)

    bench.on(JobKind.WINDOW, script)
    thread = threading.Thread(target=bench.handle_next)
    thread.start()
    started.wait(5)
    bench.runner.stopping.set()
    assert not bench.consumer.drain(0)
    drained.set()
    thread.join()
    assert late == [True]
    assert bench.row(message).lease_until == 0
    assert len(bench.queue.receive(1, 0, 1)) == 1, "the message stays, for another worker"


def test_a_queue_that_takes_no_message_does_not_stop_a_deferral(bench: Bench) -> None:
    message = bench.send()
    bench.on(JobKind.WINDOW, returns(Defer(30, "on tape")))
    (received,) = bench.queue.receive(1, 0, VISIBILITY)
    bench.queue.is_down = True
    bench.runner.handle(received)
    assert bench.row(message).next_send_at == bench.database.now + 30 + LEASE, "the sweep sends it then"
