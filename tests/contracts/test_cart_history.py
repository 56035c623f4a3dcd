"""Contract of a cart's history: each change of its state, why it happened, and the request that posted the cart."""

from __future__ import annotations

import pytest

from chalicelib.stores.cart_history import CartEvent
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.manifest_row import ManifestRow
from tests.doubles.world import World

LAYOUT = {"part_size": 5, "bytes_total": 100, "windows_total": 1, "bundle_size": 2048, "upload_id": "u"}
Event = CartEvent


def test_the_history_has_each_state_in_order_and_why_a_layout_was_voided(world: World) -> None:
    cart = world.cart("a", files=1)
    world.carts.begin_staging(cart.id)
    world.transaction(lambda: world.carts.record_layout(cart, **LAYOUT))
    world.transaction(lambda: world.carts.void_layout(world.carts.get(cart.id), "a file has changed"))
    world.transaction(lambda: world.carts.record_layout(world.carts.get(cart.id), **LAYOUT))
    world.transaction(lambda: world.carts.count_window_staged(world.carts.get(cart.id), 1, 100))
    world.transaction(lambda: world.carts.mark_ready(world.carts.get(cart.id), 2048, "e", "c"))
    world.transaction(lambda: world.carts.expire(cart.id))
    assert world.history(cart.id) == [
        (Event.POSTED, ""),
        (Event.STAGING, ""),
        (Event.LAYOUT_VOIDED, "a file has changed"),
        (Event.BUNDLING, ""),
        (Event.READY, ""),
        (Event.EXPIRED, ""),
    ]


def test_what_changes_nothing_leaves_no_trace(world: World) -> None:
    cart = world.cart("a")
    world.carts.begin_staging(cart.id)
    world.carts.begin_staging(cart.id)
    world.transaction(lambda: world.carts.expire(cart.id))
    assert world.history(cart.id) == [(Event.POSTED, ""), (Event.STAGING, "")]


def test_why_a_cart_failed_is_in_its_history(world: World) -> None:
    cart = world.cart("a")
    world.transaction(lambda: world.endings.fail(cart.id, "the archive has no file 7"))
    assert world.history(cart.id)[-1] == (Event.ERROR, "the archive has no file 7")


@pytest.mark.parametrize(("end", "event"), [("replace", Event.REPLACED), ("retire", Event.DELETED)])
def test_a_replaced_cart_is_told_apart_from_a_deleted_one(world: World, end: str, event: CartEvent) -> None:
    cart = world.cart("a")
    world.transaction(lambda: getattr(world.endings, end)(cart.id))
    world.transaction(lambda: getattr(world.endings, end)(cart.id))
    assert world.history(cart.id) == [(Event.POSTED, ""), (event, "")]


def test_a_change_that_is_rolled_back_is_not_in_the_history(world: World) -> None:
    cart = world.cart("a")

    def write() -> None:
        world.carts.fail(cart.id, "m")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        world.transaction(write)
    assert world.history(cart.id) == [(Event.POSTED, "")]


def test_the_jobs_of_a_cart_know_its_name_and_the_request_that_posted_it(world: World) -> None:
    cart_id = world.transaction(lambda: world.carts.insert("ann", "run-7", ManifestRow("r", "d" * 64, 1), "5f3c"))
    for kind in (JobKind.RECALL, JobKind.WINDOW, JobKind.CLEANUP):
        job = world.claimed(cart_id, kind)
        assert (job.uid, job.owner, job.request) == ("run-7", "ann", "5f3c")
    job = world.claimed(cart_id + 1, JobKind.RECONCILE)
    assert (job.uid, job.owner, job.request) == ("", "", "")
