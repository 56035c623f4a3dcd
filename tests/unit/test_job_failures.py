"""When a job is retried, when its cart fails, and what is never given up."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import (
    CartNotFound,
    EntriesFailed,
    PermanentError,
    StoreUnavailable,
)
from chalicelib.stores.cart_row import CartState
from chalicelib.stores.job_row import JobKind
from tests.doubles.runner_site import RunnerSite, raises, returns
from tests.doubles.world import LEASE
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Continue, Outcome


@pytest.fixture
def site() -> RunnerSite:
    return RunnerSite()


def test_an_unexpected_error_is_a_failed_attempt_that_is_retried_later_and_later(site: RunnerSite) -> None:
    message = site.send()
    site.on(JobKind.WINDOW, raises(ValueError("odd")))
    for attempt, delay in enumerate([2, 4, 8, 16, 32], 1):
        site.handle_next()
        row = site.row(message)
        assert (row.attempts, row.last_error, row.lease_until) == (attempt, "ValueError: odd", 0)
        assert site.queue.sent[-1][1] == delay
        site.database.advance(delay)
    assert len(site.queue) == 1


def test_a_job_that_failed_five_times_without_progress_fails_its_cart(site: RunnerSite) -> None:
    site.send()
    handler = site.on(JobKind.WINDOW, raises(ValueError("odd")))
    for _ in range(6):
        site.handle_next()
        site.database.advance(60)
    cart = site.world.carts.get(site.cart.id)
    assert len(handler.seen) == 5, "it is not attempted a sixth time"
    assert cart.state == CartState.ERROR
    assert cart.message == "The work on this cart failed 5 times in a row: ValueError: odd"


def test_a_job_that_makes_progress_between_failures_is_not_given_up(site: RunnerSite) -> None:
    site.send()

    def script(lease: Lease, work: Any) -> Outcome:
        site.world.jobs.progressed(lease.job, lambda: None)
        raise ValueError("odd")

    handler = site.on(JobKind.WINDOW, script)
    for _ in range(10):
        site.handle_next()
        site.database.advance(60)
    assert len(handler.seen) == 10
    assert site.world.carts.get(site.cart.id).state == CartState.WAITING


def test_a_job_whose_worker_dies_each_time_is_given_up(site: RunnerSite) -> None:
    message = site.send()
    for token in range(5):
        assert site.world.jobs.claim(message.job_id, token) is not None
        site.database.advance(LEASE + 1)
    site.on(JobKind.WINDOW, raises(AssertionError("it must not run")))
    site.handle_next()
    assert site.world.carts.get(site.cart.id).message.endswith("5 times in a row: its worker died each time")


@pytest.mark.parametrize("kind", [JobKind.WINDOW, JobKind.CLEANUP])
def test_a_job_whose_carts_row_was_deleted_is_over(site: RunnerSite, kind: JobKind) -> None:
    message = site.send(kind)
    site.on(kind, raises(CartNotFound()))
    site.handle_next()
    assert message.job_id not in site.database.tables.jobs
    assert len(site.queue) == 0


def test_a_clean_up_is_never_given_up(site: RunnerSite) -> None:
    site.send(JobKind.CLEANUP)
    handler = site.on(JobKind.CLEANUP, raises(ValueError("odd")))
    for _ in range(12):
        site.handle_next()
        site.database.advance(61)
    assert len(handler.seen) == 12


@pytest.mark.parametrize("error", [PermanentError("too large"), EntriesFailed("too large")])
def test_a_permanent_error_fails_the_cart_and_its_clean_up_is_sent(site: RunnerSite, error: PermanentError) -> None:
    message = site.send()
    site.on(JobKind.WINDOW, raises(error))
    site.handle_next()
    cart = site.world.carts.get(site.cart.id)
    assert (cart.state, cart.message) == (CartState.ERROR, "too large")
    (row,) = site.database.tables.jobs.values()
    assert (row.kind, row.id != message.job_id) == (JobKind.CLEANUP, True)
    assert [sent.job_id for sent, _ in site.queue.sent] == [row.id]
    assert len(site.queue) == 1


def test_a_permanent_error_in_a_job_it_continued_as_fails_the_cart_as_well(site: RunnerSite) -> None:
    site.send(JobKind.RECALL)
    site.on(JobKind.RECALL, returns(Continue(JobKind.WINDOW, 0)))
    site.on(JobKind.WINDOW, raises(PermanentError("too large")))
    site.handle_next()
    assert site.world.carts.get(site.cart.id).state == CartState.ERROR


def test_a_transient_error_defers_the_job_and_no_attempt_counts(site: RunnerSite) -> None:
    message = site.send()
    site.on(JobKind.WINDOW, raises(StoreUnavailable("down")))
    for _ in range(8):
        site.handle_next()
        site.database.advance(60)
    assert (site.row(message).attempts, site.row(message).wait_reason) == (0, "down")


@pytest.mark.parametrize(("waited", "delay"), [(0, 1), (40, 10), (3600, 60)])
def test_the_wait_for_a_dependency_grows_with_what_it_has_cost(site: RunnerSite, waited: float, delay: float) -> None:
    site.send()
    site.database.advance(waited)
    site.on(JobKind.WINDOW, raises(StoreUnavailable("down")))
    site.handle_next()
    assert [sent_delay for _, sent_delay in site.queue.sent] == [delay]


def test_a_dependency_that_fails_for_too_long_fails_the_cart(site: RunnerSite) -> None:
    site.send()
    site.database.advance(3601)
    site.on(JobKind.WINDOW, raises(StoreUnavailable("The store is down.")))
    site.handle_next()
    cart = site.world.carts.get(site.cart.id)
    assert (cart.state, cart.message) == (CartState.ERROR, "The store is down. This lasted for 1 hours.")


def test_a_clean_up_waits_for_its_dependency_for_ever(site: RunnerSite) -> None:
    message = site.send(JobKind.CLEANUP)
    site.database.advance(999_999)
    site.on(JobKind.CLEANUP, raises(StoreUnavailable("down")))
    site.handle_next()
    assert site.row(message).wait_reason == "down"
