"""Cleaning up after a cart: its space is released at once, its rows go when no worker can still be writing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from chalicelib.aws.bundle_store import key_of
from chalicelib.db.states import WaitsFor, WindowState
from chalicelib.errors import LeaseLost, StoreUnavailable
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.job_row import CleanupPass, Job, JobKind
from tests.doubles.site import MemorySite, expired
from workers.handlers import cleanup
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer, Done, Park

FIRST, SECOND = {"a": b"A" * 5000, "b": b"B" * 700}, {"c": b"C" * 300}
PARKED = Park(45.0, WaitsFor.WORKER, "a worker may still be busy with the cart", CleanupPass.LAST)


@pytest.fixture
def site(tmp_path: Path) -> MemorySite:
    return MemorySite(tmp_path, workers_stopped_after=45.0)


def test_a_deleted_cart_releases_its_space_at_once_but_keeps_staged_files_for_others(site: MemorySite) -> None:
    cart = site.lay_out("a", FIRST, SECOND)
    site.stage(cart, 0)
    site.reserve(cart, 1)
    assert site.cleanup_handler.run(deleted(site, cart)) == PARKED
    assert (site.used(), site.pins()) == ((12288, 12288), {"a": 0, "b": 0})
    assert site.on_volume() == {"a", "b"}
    assert {site.state_of(cart, number) for number in (0, 1)} == {WindowState.DROPPED}


def test_a_file_another_cart_needs_stays_pinned_for_it(site: MemorySite) -> None:
    cart = site.lay_out("a", {"x": b"x"})
    site.reserve(cart)
    site.reserve(site.lay_out("b", {"x": b"x"}))
    site.cleanup_handler.run(deleted(site, cart))
    assert (site.used(), site.pins()) == ((4096, 0), {"x": 1})


def test_bundle_and_uploads_of_every_attempt_are_removed(site: MemorySite) -> None:
    cart = site.lay_out("a", FIRST, SECOND)
    site.bundles.objects[key_of(cart.id, 0)] = b"of an earlier attempt"
    site.bundles.objects[key_of(cart.id + 1, 1)] = b"of another cart"
    site.cleanup_handler.run(deleted(site, cart))
    assert site.bundles.uploads == {}
    assert site.bundles.objects == {key_of(cart.id + 1, 1): b"of another cart"}


def test_windows_that_wait_for_space_are_woken_and_the_dead_carts_are_not(site: MemorySite) -> None:
    cart, waiting = site.lay_out("a", {"x": b"x"}), site.lay_out("b", {"y": b"y"})
    job = site.world.claimed(waiting.id, JobKind.WINDOW, 0)
    for cart_id in (cart.id, waiting.id):
        site.database.transaction(partial(site.world.windows.wait_for_space, cart_id, 0, 1))
    site.world.jobs.park(job, 600, "the volume is full", 0)
    site.cleanup_handler.run(deleted(site, cart))
    assert [sent.job_id for sent, _ in site.queue.sent] == [job.id]
    assert site.database.transaction(site.world.account.lock).waiting_cart == waiting.id


def test_the_last_pass_removes_the_rows_of_a_deleted_cart(site: MemorySite) -> None:
    cart = site.lay_out("a", FIRST, SECOND)
    lease = last_pass(site, cart, deleted(site, cart))
    site.bundles.objects[key_of(cart.id, 1)] = b"completed by a worker that stood still"
    assert site.cleanup_handler.run(lease) == Done()
    tables = site.database.tables
    assert (tables.windows, tables.entries, tables.shared_files, tables.jobs) == ({}, {}, {}, {})
    assert site.bundles.objects == {}
    assert site.cart(cart.id).cleared_at == site.database.now


def test_rows_are_deleted_in_steps_and_a_worker_that_takes_over_continues(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "STEP", 10)
    cart = site.lay_out("a", {f"f{number}": b"x" for number in range(25)})
    lease = last_pass(site, cart, deleted(site, cart))
    steps: list[int] = []
    progressed = site.world.jobs.progressed
    stop_after(site, lease, steps, 2)
    with pytest.raises(LeaseLost):
        site.cleanup_handler.run(lease)
    assert (steps, len(site.database.tables.entries)) == ([25, 15], 15), "the window's row first"
    assert site.cart(cart.id).cleared_at is None
    site.world.jobs.progressed = progressed  # type: ignore[method-assign]
    assert site.cleanup_handler.run(expired(lease, site)) == Done()
    assert site.database.tables.entries == {}
    assert site.cart(cart.id).cleared_at is not None


def test_a_failed_cart_keeps_its_rows_for_those_who_ask_about_it(site: MemorySite) -> None:
    cart = site.lay_out("a", FIRST)
    (message,) = site.database.transaction(lambda: site.world.endings.fail(cart.id, "broken"))
    lease = last_pass(site, cart, claimed(site, message.job_id))
    assert site.cleanup_handler.run(lease) == Done()
    assert len(site.world.entries.page(cart.id, 0, 9)) == 2
    assert site.cart(cart.id).cleared_at is None


def test_the_rows_of_a_failed_cart_go_when_the_sweep_says_so(site: MemorySite) -> None:
    cart = site.lay_out("a", FIRST)
    (message,) = site.database.transaction(lambda: site.world.endings.fail(cart.id, "broken"))
    site.cleanup_handler.run(last_pass(site, cart, claimed(site, message.job_id)))
    site.bundles.objects[key_of(cart.id, 1)] = b"put by a worker that stood still for days"
    assert site.cleanup_handler.run(site.lease(cart, JobKind.CLEANUP, CleanupPass.ROWS)) == Done()
    tables = site.database.tables
    assert (tables.windows, tables.entries, site.bundles.objects) == ({}, {}, {})
    assert site.cart(cart.id).cleared_at is not None


def test_a_cart_that_is_ready_and_live_keeps_its_bundle(site: MemorySite) -> None:
    """A cart that failed was posted again, and is ready before its clean-up runs."""
    cart = site.lay_out("a", FIRST)
    site.window_handler.run(site.lease(cart))
    site.cleanup_handler.run(site.lease(cart, JobKind.CLEANUP, CleanupPass.FIRST))
    assert key_of(cart.id, 1) in site.bundles.objects


def test_rows_that_take_long_are_deleted_in_turns_while_others_wait(
    site: MemorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "STEP", 1)
    cart = site.lay_out("a", FIRST, SECOND)
    lease = last_pass(site, cart, deleted(site, cart))
    site.world.job(site.world.cart("other").id, JobKind.RECALL)
    delete_some = site.world.entries.drop_some

    def slow(cart_id: int, most: int) -> int:
        site.database.advance(site.slices_policy.length)
        return delete_some(cart_id, most)

    site.world.entries.drop_some = slow  # type: ignore[method-assign]
    assert site.cleanup_handler.run(lease) == Defer(0, WaitsFor.TURN, "others have their turn")
    assert (len(site.database.tables.windows), len(site.database.tables.entries)) == (0, 2)
    outcomes = [site.cleanup_handler.run(lease) for _ in range(3)]
    assert outcomes[-1] == Done()
    assert site.database.tables.entries == {}


def test_an_expired_cart_loses_its_bundle(site: MemorySite) -> None:
    cart = site.lay_out("a", FIRST)
    site.window_handler.run(site.lease(cart))
    (message,) = site.database.transaction(lambda: site.world.endings.expire(cart.id))
    lease = claimed(site, message.job_id)
    assert site.cleanup_handler.run(lease) == PARKED
    assert site.bundles.objects == {}
    assert site.cleanup_handler.run(last_pass(site, cart, lease)) == Done()
    assert (site.database.tables.entries, site.database.tables.windows) == ({}, {})


def test_a_store_that_does_not_answer_leaves_the_rest_for_the_next_attempt(site: MemorySite) -> None:
    cart = site.lay_out("a", FIRST, SECOND)
    site.reserve(cart)
    lease = deleted(site, cart)
    site.bundles.is_down = True
    with pytest.raises(StoreUnavailable):
        site.cleanup_handler.run(lease)
    assert site.used() == (0, 0), "its space is released all the same"
    site.bundles.is_down = False
    assert site.cleanup_handler.run(lease) == PARKED
    assert site.bundles.uploads == {}


def test_a_worker_whose_lease_was_lost_cleans_nothing_up(site: MemorySite) -> None:
    cart = site.lay_out("a", FIRST, SECOND)
    lease = deleted(site, cart)
    site.database.advance(3600)
    with pytest.raises(LeaseLost):
        site.cleanup_handler.run(lease)
    assert len(site.bundles.uploads) == 1


def deleted(site: MemorySite, cart: Cart) -> Lease:
    """Delete the cart; the lease of its clean-up."""
    (message,) = site.database.transaction(lambda: site.world.endings.retire(cart.id))
    return claimed(site, message.job_id)


def claimed(site: MemorySite, job_id: int, token: int = 0) -> Lease:
    job = site.world.jobs.claim(job_id, token)
    assert job is not None
    return Lease(job, "receipt", site.stopping)


def stop_after(site: MemorySite, lease: Lease, steps: list[int], count: int) -> None:
    """Lose the lease after `count` steps; `steps` gets the number of entries left after each."""
    progressed = site.world.jobs.progressed

    def counting(job: Job, work: Callable[[], bool]) -> bool:
        more = progressed(job, work)
        steps.append(len(site.database.tables.entries))
        if len(steps) == count:
            lease.lost.set()
        return more

    site.world.jobs.progressed = counting  # type: ignore[method-assign, assignment]


def last_pass(site: MemorySite, cart: Cart, lease: Lease) -> Lease:
    """Run the first pass, and park the job as the runner does; the lease of the last pass."""
    outcome = site.cleanup_handler.run(lease)
    assert isinstance(outcome, Park)
    site.world.jobs.park(lease.job, outcome.delay, outcome.reason, outcome.window)
    site.database.advance(outcome.delay)
    site.world.unsent_jobs.take_due(10, lambda: 0)
    return claimed(site, lease.job.id, lease.job.token)
