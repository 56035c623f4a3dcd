"""What windows and recalls of one owner hold at a time, on both databases."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest

from chalicelib.config.owner_limits import OwnerLimits
from chalicelib.db.database import Database
from chalicelib.db.states import WaitsFor, WindowState
from chalicelib.stores.cart_charges import Charge
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.manifest_row import ManifestRow
from chalicelib.stores.waiting_windows import WaitingWindowStore
from chalicelib.sweep.wake_waiting import WakeWaiting
from tests.callers import caller
from tests.integration.posting import Posting
from workers.stores.recalls import RecallStore
from workers.stores.tape_looks import Look, LookPolicy, TapeLookStore
from workers.stores.windows import Window, WindowStore

ANN, BEN = caller("ann"), caller("ben")


def site(database: Database, **limits: int) -> tuple[Posting, WindowStore]:
    posting = Posting(database)
    for who in (ANN, BEN):
        posting.usage.remember(who, OwnerLimits(**limits))
    return posting, WindowStore(database)


def posted(posting: Posting, uid: str, owner: str = "ann") -> Cart:
    """A cart with a window. Not by the service, which would record limits of its own."""

    def write() -> int:
        cart_id = posting.carts.insert(owner, uid, ManifestRow(uid, "d" * 64, 1))
        posting.carts.charges.settle(owner, 1, Charge())
        WindowStore(posting.database).insert(cart_id, [Window(0, 0, 1, 10, 1, WindowState.TAKEN)])
        return cart_id

    return posting.carts.get(posting.database.transaction(write))


def reserved(posting: Posting, windows: WindowStore, cart: Cart, size: int) -> str:
    """What a worker does with a window; why it may not, or void."""

    def write() -> str:
        reason = windows.charges.why_not(cart, size)
        if reason:
            windows.charges.stand_aside(cart.id, 0, size)
        else:
            windows.charges.charge(cart, 0, size)
            windows.move(cart.id, 0, (WindowState.TAKEN,), WindowState.RESERVED)
        return reason

    return str(posting.database.transaction(write))


def released(posting: Posting, windows: WindowStore, cart: Cart) -> None:
    posting.database.transaction(lambda: windows.charges.give_back(cart, 0))


def staging(posting: Posting, owner: str = "ann") -> int:
    used: int = posting.usage.used(owner)["staging"]
    recomputed: dict[str, int] = posting.database.transaction(lambda: posting.usage.recomputed(owner))
    assert used == recomputed["staging"]
    return used


def test_a_window_over_its_owners_limit_waits_until_another_is_done(database: Database) -> None:
    posting, windows = site(database, staging=100)
    first, second, other = posted(posting, "a"), posted(posting, "b"), posted(posting, "a", "ben")
    assert reserved(posting, windows, first, 60) == ""
    assert "60 bytes of its owner's files are being staged, and the limit is 100 bytes" in reserved(
        posting, windows, second, 50
    )
    assert reserved(posting, windows, other, 90) == ""
    assert (staging(posting), staging(posting, "ben")) == (60, 90)
    released(posting, windows, first)
    released(posting, windows, first)
    assert reserved(posting, windows, second, 50) == ""
    assert staging(posting) == 50


def test_a_window_larger_than_the_limit_passes_alone(database: Database) -> None:
    posting, windows = site(database, staging=100)
    first, large, small = posted(posting, "a"), posted(posting, "b"), posted(posting, "c")
    assert reserved(posting, windows, first, 10) == ""
    assert reserved(posting, windows, large, 500)
    assert reserved(posting, windows, small, 10) == "an older cart of its owner is next"
    released(posting, windows, first)
    assert reserved(posting, windows, large, 500) == ""
    assert reserved(posting, windows, small, 10)
    released(posting, windows, large)
    assert reserved(posting, windows, small, 10) == ""


def test_a_window_at_its_owners_limit_does_not_hold_up_others_at_the_volume(database: Database) -> None:
    posting, windows = site(database, staging=100)
    first, second, other = posted(posting, "a"), posted(posting, "b"), posted(posting, "a", "ben")
    database.transaction(lambda: windows.wait_for_space(second.id, 0, 50))
    assert database.transaction(lambda: windows.ahead_of(other.id)).largest == 50
    assert reserved(posting, windows, first, 80) == ""
    assert reserved(posting, windows, second, 50)
    assert database.transaction(lambda: windows.ahead_of(other.id)).largest == 0


def test_the_first_window_at_each_owners_limit_is_woken(database: Database) -> None:
    posting, windows = site(database, staging=100)
    waiting = WaitingWindowStore(database, lease=30)
    for owner in ("ann", "ben"):
        assert reserved(posting, windows, posted(posting, "first", owner), 80) == ""
        for uid in ("second", "third"):
            cart = posted(posting, uid, owner)
            assert reserved(posting, windows, cart, 50)
            parked(posting, cart)
    assert [window.owner for window in waiting.at_limit(9)] == ["ann", "ann", "ben", "ben"]
    assert len(waiting.at_limit(9, "ben")) == 2
    assert waiting.for_space(9) == []
    woken = WakeWaiting(waiting, 9).run()
    assert [message.job_id for message in woken] == [waiting.at_limit(1, owner)[0].job_id for owner in ("ann", "ben")]
    assert all(posting.jobs.claim(message.job_id, message.token) for message in woken)


def parked(posting: Posting, cart: Cart) -> None:
    message = posting.database.transaction(lambda: posting.jobs.add(cart.id, JobKind.WINDOW))
    job = posting.jobs.claim(message.job_id, message.token)
    assert job is not None
    posting.jobs.park(job, 600, "at its limit", 0, WaitsFor.LIMIT)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_staged_stays_within_the_limit_in_any_order(database: Database, seed: int) -> None:
    (posting, windows), chance = site(database, staging=100), random.Random(seed)
    carts, holding = [posted(posting, f"u{number}") for number in range(5)], set[int]()
    for _ in range(40):
        cart = chance.choice(carts)
        if cart.id in holding:
            released(posting, windows, cart)
            back = partial(windows.move, cart.id, 0, (WindowState.RESERVED,), WindowState.TAKEN)
            database.transaction(back)
            holding.remove(cart.id)
        elif not reserved(posting, windows, cart, chance.randint(1, 100)):
            holding.add(cart.id)
        assert staging(posting) <= 100
    for cart in carts:
        released(posting, windows, cart)
    assert staging(posting) == 0


def job(posting: Posting, cart: Cart) -> int:
    message = posting.database.transaction(lambda: posting.jobs.add(cart.id, JobKind.RECALL))
    number: int = message.job_id
    return number


def recalls(posting: Posting, owner: str = "ann") -> int:
    used: int = posting.usage.used(owner)["recalls"]
    recomputed: dict[str, Any] = posting.database.transaction(lambda: posting.usage.recomputed(owner))
    assert used == recomputed["recalls"]
    return used


def test_the_rest_of_an_owners_recalls_waits_until_some_end(database: Database) -> None:
    posting, _ = site(database, recalls=2)
    store, first = RecallStore(database), job(posting, posted(posting, "a"))
    assert store.claim(first, ["f1", "f2", "f3", "f4"], "ann") == ["f1", "f2"]
    assert store.claim(first, ["f3", "f4"], "ann") == []
    assert store.claim(job(posting, posted(posting, "a", "ben")), ["f3"], "ben") == ["f3"]
    store.mark_requested(["f1"])
    store.release(["f1", "f2"])  # refused, but for the one that was accepted
    assert recalls(posting) == 1
    assert store.claim(first, ["f2", "f4"], "ann") == ["f2"]
    looks = TapeLookStore(database, LookPolicy(per_second=1))
    online = [Look(name, "", size=1, mtime_ns=1) for name in ("f1", "f3")]
    database.transaction(lambda: looks.record(online))
    assert (recalls(posting), recalls(posting, "ben")) == (1, 0)


def test_recalls_of_a_job_that_is_gone_are_given_back(database: Database) -> None:
    posting, _ = site(database, recalls=2)
    store, cart = RecallStore(database), posted(posting, "a")
    store.claim(job(posting, cart), ["f1", "f2"], "ann")
    database.transaction(lambda: posting.jobs.delete_all(cart.id))
    assert store.claim(job(posting, cart), ["f3"], "ann") == []
    database.transaction(lambda: store.delete_abandoned(10))
    assert recalls(posting) == 0
    assert store.claim(job(posting, cart), ["f1"], "ann") == ["f1"]
