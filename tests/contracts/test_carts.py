"""Contract of the cart store: every transition is guarded, and its answer says whether this caller made it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.errors import CartNotFound
from chalicelib.stores.cart_row import Cart, CartState
from chalicelib.stores.carts import LiveCartExists
from chalicelib.stores.job_row import CleanupPass, JobKind
from chalicelib.stores.manifest_row import ManifestRow
from tests.doubles.world import World

LAYOUT = {"part_size": 5, "bytes_total": 100, "windows_total": 2, "bundle_size": 2048, "upload_id": "u"}


def test_a_new_cart_waits_and_is_live(world: World) -> None:
    cart = world.cart("a", files=3)
    assert (cart.uid, cart.root, cart.state, cart.live, cart.attempt) == ("a", "a", CartState.WAITING, 1, 1)
    assert (cart.files_total, cart.windows_total, cart.upload_id, cart.message) == (3, 0, "", "")


def test_an_unknown_cart_is_not_found(world: World) -> None:
    with pytest.raises(CartNotFound):
        world.carts.get(world.cart().id + 1)


def test_there_is_one_live_cart_of_an_owner_and_uid(world: World) -> None:
    cart = world.cart("a")
    with pytest.raises(LiveCartExists):
        world.cart("a")
    world.cart("a", owner="else")
    world.transaction(lambda: world.carts.retire(cart.id))
    assert world.cart("a").id != cart.id


def test_the_states_of_several_carts_are_those_of_the_live_ones(world: World) -> None:
    one, other, deleted, unasked = world.cart("a"), world.cart("a", owner="else"), world.cart("b"), world.cart("c")
    world.carts.begin_staging(one.id)
    world.transaction(lambda: world.carts.retire(deleted.id))
    many = {one.id, other.id, deleted.id, *range(unasked.id + 1, unasked.id + 3000)}
    assert world.carts.states(many) == {one.id: CartState.STAGING, other.id: CartState.WAITING}
    assert world.carts.states(set()) == {}


def test_staging_begins_once(world: World) -> None:
    cart = world.cart()
    assert world.carts.begin_staging(cart.id)
    assert not world.carts.begin_staging(cart.id)
    assert world.carts.get(cart.id).state == CartState.STAGING
    assert world.carts.get(cart.id).staging_at == pytest.approx(world.clock(), abs=10)


def test_an_uploaded_manifest_is_read_while_the_cart_waits(world: World) -> None:
    cart = world.cart()
    read = ManifestRow("root", "other", 9, names="portable", sums="sha256", warnings=["a", "b"], uploaded=True)
    assert world.transaction(lambda: world.carts.record_manifest(cart.id, read))
    found = world.carts.get(cart.id)
    assert (found.root, found.files_total, found.uploaded) == ("root", 9, 1)
    assert (found.names, found.sums, world.carts.warnings(cart.id)) == ("portable", "sha256", ["a", "b"])
    assert found.digest == cart.digest, "it stays that of the upload"
    world.carts.begin_staging(cart.id)
    assert not world.transaction(lambda: world.carts.record_manifest(cart.id, read))


def test_options_and_warnings_of_a_posted_manifest_are_kept(world: World) -> None:
    new = ManifestRow("r", "d", 1, names="portable", sums="sha256", warnings=["fileids[0].path: é"])
    cart = world.carts.get(world.transaction(lambda: world.carts.insert("", "a", new)))
    assert (cart.root, cart.names, cart.sums, cart.uploaded) == ("r", "portable", "sha256", 0)
    assert world.carts.warnings(cart.id) == ["fileids[0].path: é"]
    assert world.carts.warnings(world.cart("b").id) == []


def test_a_layout_is_recorded_only_by_the_attempt_it_was_made_for(world: World) -> None:
    cart = world.cart()
    assert not world.transaction(lambda: world.carts.record_layout(cart, **LAYOUT)), "it still waits"
    cart = staging(world, cart)
    assert world.transaction(lambda: world.carts.record_layout(cart, **LAYOUT))
    found = world.carts.get(cart.id)
    assert (found.windows_total, found.bundle_size, found.upload_id, found.windows_done) == (2, 2048, "u", 0)
    assert world.transaction(lambda: world.carts.void_layout(cart))
    assert not world.transaction(lambda: world.carts.record_layout(cart, **LAYOUT))


def test_a_layout_is_voided_once_and_the_attempt_rises(world: World) -> None:
    cart = record_layout(world)
    assert world.transaction(lambda: world.carts.void_layout(cart))
    assert not world.transaction(lambda: world.carts.void_layout(cart))
    found = world.carts.get(cart.id)
    assert (found.attempt, found.windows_total, found.upload_id) == (2, 0, "")
    assert found.state == CartState.STAGING


def test_with_its_last_window_staged_a_cart_is_bundling(world: World) -> None:
    cart = record_layout(world)
    world.transaction(lambda: world.carts.count_window_staged(cart, 1, 60))
    assert world.carts.get(cart.id).state == CartState.STAGING
    world.transaction(lambda: world.carts.count_staged(cart, 2, 30))
    world.transaction(lambda: world.carts.count_window_staged(cart, 1, 10))
    found = world.carts.get(cart.id)
    assert (found.state, found.windows_staged) == (CartState.BUNDLING, 2)
    assert (found.files_staged, found.bytes_staged) == (4, 100)
    assert found.bundling_at is not None


def test_the_only_window_of_a_cart_makes_it_bundling(world: World) -> None:
    cart = record_layout(world, windows_total=1)
    world.transaction(lambda: world.carts.count_window_staged(cart, 1, 60))
    assert world.carts.get(cart.id).state == CartState.BUNDLING


def test_a_window_may_become_unstaged(world: World) -> None:
    cart = record_layout(world)
    world.transaction(lambda: world.carts.count_window_staged(cart, 1, 60))
    world.transaction(lambda: world.carts.uncount_window_staged(cart))
    assert world.carts.get(cart.id).windows_staged == 0


def test_one_caller_counts_the_last_window_done(world: World) -> None:
    cart = record_layout(world)
    assert not world.transaction(lambda: world.carts.count_window_done(cart, 1000))
    assert not world.transaction(lambda: world.carts.claim_completion(cart))
    assert world.transaction(lambda: world.carts.count_window_done(cart, 1048))
    assert world.transaction(lambda: world.carts.claim_completion(cart)), "a crashed worker asks again"
    assert world.carts.get(cart.id).bundle_bytes == 2048


def test_the_last_window_is_left_when_all_others_are_done(world: World) -> None:
    cart = record_layout(world, windows_total=3, windows_staged=1)
    assert world.carts.get(cart.id).windows_staged == 1
    left = []
    for _ in range(3):
        world.transaction(lambda: world.carts.count_window_done(cart, 1))
        left.append(world.transaction(lambda: world.carts.is_last_window_left(cart)))
    assert left == [False, True, False]


def test_marks_of_progress_are_ten_seconds_apart_and_start_over_after_a_stall(world: World) -> None:
    cart, began = record_layout(world), world.clock()
    marks = []
    for seconds in (3, 8, 3, 8, 61):
        world.advance(seconds)
        world.transaction(lambda: world.carts.count_staged(cart, 0, 10))
        world.transaction(lambda: world.carts.count_uploaded(cart, 5))
        world.transaction(lambda: world.carts.mark_progress(cart))
        found = world.carts.get(cart.id)
        assert None not in (found.earlier_at, found.later_at, found.counted_at)
        times = [round(float(at or 0) - began) for at in (found.earlier_at, found.later_at, found.counted_at)]
        marks.append((times, found.earlier_bytes, found.later_bytes))
    assert marks == [
        ([0, 0, 3], 0, 0),
        ([0, 11, 11], 0, 30),
        ([0, 11, 14], 0, 30),
        ([11, 22, 22], 30, 60),
        ([83, 83, 83], 75, 75),
    ]


def test_a_void_layout_has_counted_nothing(world: World) -> None:
    cart = record_layout(world)
    world.transaction(lambda: world.carts.count_staged(cart, 3, 10))
    world.transaction(lambda: world.carts.count_window_done(cart, 5))
    world.transaction(lambda: world.carts.mark_progress(cart))
    assert world.transaction(lambda: world.carts.void_layout(cart))
    found = world.carts.get(cart.id)
    counts = (found.files_staged, found.bytes_staged, found.windows_staged, found.windows_done, found.bundle_bytes)
    assert (counts, found.counted_at) == ((0, 0, 0, 0, 0), None)


def test_a_cart_becomes_ready_once(world: World) -> None:
    cart = record_layout(world)
    assert world.transaction(lambda: world.carts.mark_ready(cart, 2048, "etag", "crc64nvme=x"))
    assert not world.transaction(lambda: world.carts.mark_ready(cart, 2048, "etag", "crc64nvme=x"))
    found = world.carts.get(cart.id)
    assert (found.state, found.bundle_size, found.bundle_bytes) == (CartState.READY, 2048, 2048)
    assert (found.bundle_etag, found.bundle_checksum, found.upload_id) == ("etag", "crc64nvme=x", "")
    assert found.windows_done == 2
    assert found.ended_at == pytest.approx(world.clock(), abs=10)


def test_a_bundle_of_a_void_layout_makes_no_cart_ready(world: World) -> None:
    cart = record_layout(world)
    world.transaction(lambda: world.carts.void_layout(cart))
    assert not world.transaction(lambda: world.carts.mark_ready(cart, 2048, "etag", ""))


def test_only_an_unfinished_cart_fails(world: World) -> None:
    cart = record_layout(world)
    assert world.transaction(lambda: world.carts.fail(cart.id, "x" * 2000))
    assert not world.transaction(lambda: world.carts.fail(cart.id, "again"))
    assert (world.carts.get(cart.id).state, world.carts.get(cart.id).message) == (CartState.ERROR, "x" * 1024)


def test_only_a_ready_cart_without_a_valid_url_expires(world: World) -> None:
    cart = record_layout(world)
    assert not world.transaction(lambda: world.carts.expire(cart.id))
    world.transaction(lambda: world.carts.mark_ready(cart, 2048, "etag", ""))
    assert world.transaction(lambda: world.carts.expire(cart.id))
    assert world.carts.get(cart.id).state == CartState.EXPIRED


CHANGES: dict[str, Callable[[World, Cart], object]] = {
    "begin_staging": lambda world, cart: world.carts.begin_staging(cart.id),
    "manifest_read": lambda world, cart: world.carts.record_manifest(cart.id, ManifestRow("r", "d", 1)),
    "laid_out": lambda world, cart: world.carts.record_layout(cart, **LAYOUT),
    "void_layout": lambda world, cart: world.carts.void_layout(cart),
    "window_done": lambda world, cart: world.carts.count_window_done(cart, 1),
    "all_windows_done": lambda world, cart: world.carts.claim_completion(cart),
    "count_staged": lambda world, cart: world.carts.count_staged(cart, 1, 1),
    "window_staged": lambda world, cart: world.carts.count_window_staged(cart, 1, 1),
    "window_unstaged": lambda world, cart: world.carts.uncount_window_staged(cart),
    "ready": lambda world, cart: world.carts.mark_ready(cart, 1, "", ""),
    "fail": lambda world, cart: world.carts.fail(cart.id, "m"),
    "expire": lambda world, cart: world.carts.expire(cart.id),
    "retire": lambda world, cart: world.carts.retire(cart.id),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("end", ["retire", "fail"])
def test_nothing_changes_a_cart_that_was_retired_or_failed(world: World, name: str, end: str) -> None:
    cart = record_layout(world)
    ends = {"retire": lambda: world.carts.retire(cart.id), "fail": lambda: world.carts.fail(cart.id, "m")}
    assert world.transaction(ends[end])
    before = world.carts.get(cart.id)
    changed = world.transaction(lambda: CHANGES[name](world, cart))
    if (end, name) == ("fail", "retire"):
        assert changed, "a failed cart can be deleted"
    else:
        assert not changed
        assert world.carts.get(cart.id) == before


def test_only_a_live_cart_can_be_locked(world: World) -> None:
    failed, deleted = world.cart("a"), world.cart("b")
    world.transaction(lambda: world.carts.fail(failed.id, "m"))
    world.transaction(lambda: world.carts.retire(deleted.id))
    assert world.transaction(lambda: world.carts.lock(failed.id))
    assert not world.transaction(lambda: world.carts.lock(deleted.id))
    assert not world.transaction(lambda: world.carts.lock(deleted.id + 100))


def test_an_ending_stops_the_work_and_leaves_one_clean_up(world: World) -> None:
    cart = record_layout(world)
    job = world.claimed(cart.id)
    (message,) = world.transaction(lambda: world.endings.fail(cart.id, "broken"))
    assert world.jobs.renew([job]) == [job]
    cleanup = world.jobs.claim(message.job_id, 0)
    assert cleanup is not None
    assert (cleanup.kind, cleanup.window) == (JobKind.CLEANUP, CleanupPass.FIRST)
    assert world.transaction(lambda: world.endings.fail(cart.id, "again")) == []
    assert world.jobs.renew([cleanup]) == [], "a second ending leaves the clean-up alone"


def staging(world: World, cart: Cart) -> Cart:
    world.carts.begin_staging(cart.id)
    return world.carts.get(cart.id)


def record_layout(world: World, **layout: int) -> Cart:
    """A staging cart of two windows."""
    cart = staging(world, world.cart())
    assert world.transaction(lambda: world.carts.record_layout(cart, **{**LAYOUT, **layout}))
    return world.carts.get(cart.id)
