"""When a job is retried, when its cart fails, and what is never given up."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import (
    EntriesFailed,
    PermanentError,
    StoreUnavailable,
)
from chalicelib.stores.carts import CartState
from chalicelib.stores.jobs import JobKind
from tests.doubles.bench import Bench, raises, returns
from tests.doubles.world import LEASE
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Continue, Outcome


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_unexpected_error_is_a_failed_attempt_that_is_retried_later_and_later(bench: Bench) -> None:
    message = bench.send()
    bench.on(JobKind.WINDOW, raises(ValueError("odd")))
    for attempt, delay in enumerate([2, 4, 8, 16, 32], 1):
        bench.handle_next()
        row = bench.row(message)
        assert (row.attempts, row.last_error, row.lease_until) == (attempt, "ValueError: odd", 0)
        assert bench.queue.sent[-1][1] == delay
        bench.database.advance(delay)
    assert len(bench.queue) == 1


def test_a_job_that_failed_five_times_without_progress_fails_its_cart(bench: Bench) -> None:
    bench.send()
    handler = bench.on(JobKind.WINDOW, raises(ValueError("odd")))
    for _ in range(6):
        bench.handle_next()
        bench.database.advance(60)
    cart = bench.world.carts.get(bench.cart.id)
    assert len(handler.seen) == 5, "it is not attempted a sixth time"
    assert cart.state == CartState.ERROR
    assert cart.message == "The work on this cart failed 5 times in a row: ValueError: odd"


def test_a_job_that_makes_progress_between_failures_is_not_given_up(bench: Bench) -> None:
    bench.send()

    def script(lease: Lease, work: Any) -> Outcome:
        bench.world.jobs.progressed(lease.job, lambda: None)
        raise ValueError("odd")

    handler = bench.on(JobKind.WINDOW, script)
    for _ in range(10):
        bench.handle_next()
        bench.database.advance(60)
    assert len(handler.seen) == 10
    assert bench.world.carts.get(bench.cart.id).state == CartState.WAITING


def test_a_job_whose_worker_dies_each_time_is_given_up(bench: Bench) -> None:
    message = bench.send()
    for _ in range(5):
        assert bench.world.jobs.claim(message.job_id, 0) is not None
        bench.database.advance(LEASE + 1)
    bench.on(JobKind.WINDOW, raises(AssertionError("it must not run")))
    bench.handle_next()
    assert bench.world.carts.get(bench.cart.id).message.endswith("5 times in a row: its worker died each time")


def test_a_clean_up_is_never_given_up(bench: Bench) -> None:
    bench.send(JobKind.CLEANUP)
    handler = bench.on(JobKind.CLEANUP, raises(ValueError("odd")))
    for _ in range(12):
        bench.handle_next()
        bench.database.advance(61)
    assert len(handler.seen) == 12


@pytest.mark.parametrize("error", [PermanentError("too large"), EntriesFailed("too large")])
def test_a_permanent_error_fails_the_cart_and_its_clean_up_is_sent(bench: Bench, error: PermanentError) -> None:
    message = bench.send()
    bench.on(JobKind.WINDOW, raises(error))
    bench.handle_next()
    cart = bench.world.carts.get(bench.cart.id)
    assert (cart.state, cart.message) == (CartState.ERROR, "too large")
    (row,) = bench.database.tables.jobs.values()
    assert (row.kind, row.id != message.job_id) == (JobKind.CLEANUP, True)
    assert [sent.job_id for sent, _ in bench.queue.sent] == [row.id]
    assert len(bench.queue) == 1


def test_a_permanent_error_in_a_job_it_continued_as_fails_the_cart_as_well(bench: Bench) -> None:
    bench.send(JobKind.RECALL)
    bench.on(JobKind.RECALL, returns(Continue(JobKind.WINDOW, 0)))
    bench.on(JobKind.WINDOW, raises(PermanentError("too large")))
    bench.handle_next()
    assert bench.world.carts.get(bench.cart.id).state == CartState.ERROR


def test_a_transient_error_defers_the_job_and_no_attempt_counts(bench: Bench) -> None:
    message = bench.send()
    bench.on(JobKind.WINDOW, raises(StoreUnavailable("down")))
    for _ in range(8):
        bench.handle_next()
        bench.database.advance(60)
    assert (bench.row(message).attempts, bench.row(message).wait_reason) == (0, "down")


@pytest.mark.parametrize(("waited", "delay"), [(0, 1), (40, 10), (3600, 60)])
def test_the_wait_for_a_dependency_grows_with_what_it_has_cost(bench: Bench, waited: float, delay: float) -> None:
    bench.send()
    bench.database.advance(waited)
    bench.on(JobKind.WINDOW, raises(StoreUnavailable("down")))
    bench.handle_next()
    assert [sent_delay for _, sent_delay in bench.queue.sent] == [delay]


def test_a_dependency_that_fails_for_too_long_fails_the_cart(bench: Bench) -> None:
    bench.send()
    bench.database.advance(3601)
    bench.on(JobKind.WINDOW, raises(StoreUnavailable("The store is down.")))
    bench.handle_next()
    cart = bench.world.carts.get(bench.cart.id)
    assert (cart.state, cart.message) == (CartState.ERROR, "The store is down. This lasted for 1 hours.")


def test_a_clean_up_waits_for_its_dependency_for_ever(bench: Bench) -> None:
    message = bench.send(JobKind.CLEANUP)
    bench.database.advance(999_999)
    bench.on(JobKind.CLEANUP, raises(StoreUnavailable("down")))
    bench.handle_next()
    assert bench.row(message).wait_reason == "down"
