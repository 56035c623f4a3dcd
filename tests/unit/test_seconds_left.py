"""The estimate of the seconds until a cart is ready, from how its bytes came in lately."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from chalicelib.stores.cart_progress import STALLED_AFTER
from chalicelib.stores.cart_row import Cart, CartState
from chalicelib.stores.progress import seconds_left
from tests.doubles.database import MemoryDatabase
from tests.doubles.world import World, in_memory

GB = 10**9


class Progress:
    """A cart of `size` bytes, to be staged and then bundled, whose progress a test counts."""

    def __init__(self, size: int) -> None:
        self.database = MemoryDatabase()
        self.world: World = in_memory(self.database)
        self.cart_id = self.world.cart().id
        self.world.carts.begin_staging(self.cart_id)
        sizes = {"bytes_total": size, "bundle_size": size}
        layout = {"part_size": 1, "windows_total": 2, "upload_id": "u", **sizes}
        self.database.transaction(lambda: self.world.carts.record_layout(self.cart, **layout))

    @property
    def cart(self) -> Cart:
        return self.world.carts.get(self.cart_id)

    @property
    def estimate(self) -> int | None:
        return seconds_left(self.cart, self.database.now)

    def count(self, seconds: float, staged: int, bundled: int = 0) -> int | None:
        """Count bytes after some seconds; the estimate."""
        self.database.advance(seconds)

        def write() -> None:
            self.world.carts.count_staged(self.cart, 0, staged)
            self.world.carts.count_uploaded(self.cart, bundled)
            self.world.carts.mark_progress(self.cart)

        self.database.transaction(write)
        return self.estimate


def test_nothing_is_known_before_the_first_count() -> None:
    progress = Progress(GB)
    assert progress.estimate is None
    progress.database.advance(5)
    assert progress.estimate is None


def test_small_files_and_then_a_large_one_never_make_the_estimate_grow_while_the_rate_holds() -> None:
    """999 small files and one of 2 GB: 100 MB/s to the volume, and then to the store."""
    progress = Progress(2 * GB)
    staging = [progress.count(3, 300_000_000 if second < 6 else 200_000_000) for second in range(7)]
    bundling = [progress.count(3, 0, 300_000_000) for _ in range(6)]
    estimates = [found for found in staging + bundling if found is not None]
    assert len(estimates) == 13
    assert all(later < earlier for earlier, later in pairwise(estimates)), estimates
    assert estimates[0] == pytest.approx(37, abs=1)
    assert estimates[-1] <= 3


def test_slow_small_files_at_first_are_soon_forgotten() -> None:
    progress = Progress(2 * GB)
    for _ in range(10):
        progress.count(3, 10_000)
    for _ in range(7):
        estimate = progress.count(3, 60_000_000)
    assert estimate == pytest.approx((4 * GB - 420_000_000) / 20_000_000, rel=0.05)


def test_the_estimate_stays_between_two_counts() -> None:
    progress = Progress(GB)
    before = progress.count(3, 10_000_000)
    progress.database.advance(2.9)
    assert progress.estimate == before


def test_the_estimate_is_unknown_during_a_stall_and_is_not_spoilt_by_it() -> None:
    progress = Progress(GB)
    for _ in range(10):
        progress.count(3, 30_000_000)
    progress.database.advance(STALLED_AFTER + 1)
    assert progress.estimate is None
    progress.count(3600, 30_000_000)
    assert progress.count(3, 30_000_000) == pytest.approx(2 * GB / 10_000_000 - 36, abs=1)


def test_hours_on_tape_before_the_first_byte_do_not_count() -> None:
    progress = Progress(GB)
    assert progress.count(3600, 30_000_000) is None
    assert progress.count(3, 30_000_000) == pytest.approx(2 * GB / 10_000_000 - 6, abs=1)


def test_a_void_layout_makes_the_estimate_unknown() -> None:
    progress = Progress(GB)
    progress.count(3, 30_000_000)
    progress.database.transaction(lambda: progress.world.carts.void_layout(progress.cart))
    assert progress.estimate is None
    assert (progress.cart.files_staged, progress.cart.bytes_staged, progress.cart.bundle_bytes) == (0, 0, 0)


@pytest.mark.parametrize("state", [CartState.READY, CartState.ERROR, CartState.EXPIRED])
def test_a_cart_that_has_ended_has_no_estimate(state: CartState) -> None:
    progress = Progress(GB)
    assert progress.count(3, 30_000_000) is not None
    assert seconds_left(replace(progress.cart, state=state), progress.database.now) is None


def test_the_estimate_is_never_negative() -> None:
    progress = Progress(100)
    assert progress.count(3, 150, 150) == 0
