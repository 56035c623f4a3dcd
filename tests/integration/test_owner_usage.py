"""Limits per owner on both databases: what is counted, what is refused, and that it adds up in any order."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.aws.manifest_uploads import upload_key
from chalicelib.config.owner_limits import LimitBook, OwnerLimits
from chalicelib.db.database import Database
from chalicelib.errors import CartNotFound, InvalidManifest, LimitReached, TooManyRequests
from chalicelib.stores.cart_row import Cart, CartState
from tests.callers import ANYONE, caller
from tests.integration.posting import DatabaseSweep, Posting, body

ANN, BEN = caller("ann"), caller("ben")


def limited(database: Database, **limits: int) -> Posting:
    return Posting(database, book=LimitBook(OwnerLimits(**limits)))


def post(posting: Posting, uid: str, *names: object, who: Any = ANN) -> Cart:
    posting.service.create(who, uid, body(*names))
    return posting.carts.find(who.owner, uid)


def used(posting: Posting, owner: str = "ann") -> dict[str, int]:
    return {name: count for name, count in posting.usage.used(owner).items() if count}


def recomputed(posting: Posting, owner: str = "ann") -> dict[str, int]:
    found: dict[str, int] = posting.database.transaction(lambda: posting.usage.recomputed(owner))
    return {name: count for name, count in found.items() if count}


def within(posting: Posting, work: Callable[[], Any]) -> Any:
    return posting.database.transaction(work)


def lay_out(posting: Posting, cart: Cart, size: int) -> None:
    def write() -> None:
        posting.carts.begin_staging(cart.id)
        posting.carts.record_layout(cart, bundle_size=size, windows_total=1)
        posting.carts.charges.charge_bundle(cart.id, cart.owner, size)

    within(posting, write)


def void(posting: Posting, cart: Cart) -> None:
    def write() -> None:
        if posting.carts.void_layout(posting.carts.get(cart.id)):
            posting.carts.charges.give_back_bundle(cart.id, cart.owner)

    within(posting, write)


def test_live_carts_are_limited_and_the_message_says_what_frees_one(database: Database) -> None:
    posting = limited(database, carts=2)
    post(posting, "a", 1)
    post(posting, "b", 1)
    with pytest.raises(LimitReached) as refused:
        post(posting, "c", 1)
    assert refused.value.message == "You have 2 live carts, the limit; delete one, or wait until one expires."
    with pytest.raises(CartNotFound):
        posting.carts.find("ann", "c")
    post(posting, "c", 1, who=BEN)
    posting.service.delete(ANN, "a")
    post(posting, "c", 1)
    assert used(posting) == {"carts": 2, "entries": 2}


def test_replacing_works_at_the_limit_and_the_same_again_takes_nothing(database: Database) -> None:
    posting = limited(database, carts=1, entries=3)
    post(posting, "a", 1, 2, 3)
    post(posting, "a", 1, 2, 3)
    assert used(posting) == {"carts": 1, "entries": 3}
    post(posting, "a", 4, 5, 6)
    assert used(posting) == {"carts": 1, "entries": 3}


def test_a_refused_post_leaves_the_old_cart_as_it_was(database: Database) -> None:
    posting = limited(database, entries=3)
    old = post(posting, "a", 1, 2)
    with pytest.raises(LimitReached, match="Your live carts have 2 files, and 2 more are over the limit, 3"):
        post(posting, "a", 1, 2, 3, 4)
    assert posting.carts.find("ann", "a") == old
    post(posting, "b", 1)
    with pytest.raises(LimitReached, match="This cart has 4 files, more than all your live carts may have, 3"):
        post(posting, "d", 1, 2, 3, 4)
    with pytest.raises(
        LimitReached, match="Your live carts have 3 files, and 1 more are over the limit, 3; delete one"
    ):
        post(posting, "c", 1)
    assert used(posting) == recomputed(posting) == {"carts": 2, "entries": 3}


def test_an_owner_above_a_lowered_limit_may_still_make_its_carts_smaller(database: Database) -> None:
    post(limited(database), "a", 1, 2, 3)
    posting = limited(database, carts=1, entries=1)
    post(posting, "a", 1, 2)
    assert used(posting) == {"carts": 1, "entries": 2}


ENDS: dict[str, Callable[[Posting, Cart], Any]] = {
    "deleted": lambda posting, cart: posting.service.delete(ANN, cart.uid),
    "deleted by an administrator": lambda posting, cart: posting.service.delete(BEN.acting_for("ann"), cart.uid),
    "failed": lambda posting, cart: within(posting, lambda: posting.endings.fail(cart.id, "no")),
    "retired": lambda posting, cart: within(posting, lambda: posting.endings.retire(cart.id)),
    "expired": lambda posting, cart: expire(posting, cart),
}


def expire(posting: Posting, cart: Cart) -> None:
    within(posting, lambda: posting.carts.mark_ready(posting.carts.get(cart.id), 7, "", ""))
    within(posting, lambda: posting.endings.expire(cart.id))


@pytest.mark.parametrize("end", ENDS)
def test_every_end_gives_back_all_that_a_cart_counts_for_and_only_once(database: Database, end: str) -> None:
    posting = limited(database)
    kept, cart = post(posting, "kept", 1), post(posting, "a", 1, 2)
    lay_out(posting, cart, 5000)
    assert used(posting) == {"carts": 2, "entries": 3, "bundles": 5000}
    ENDS[end](posting, cart)
    assert used(posting) == recomputed(posting) == {"carts": 1, "entries": 1}
    within(posting, lambda: posting.endings.fail(cart.id, "again"))
    within(posting, lambda: posting.endings.retire(cart.id))
    assert used(posting) == {"carts": 1, "entries": 1}
    assert posting.carts.get(kept.id).live


def test_the_bytes_of_bundles_are_limited_and_given_back_with_a_void_layout(database: Database) -> None:
    posting = limited(database, bundles=1000)
    first, second = post(posting, "a", 1), post(posting, "b", 1)
    lay_out(posting, first, 600)
    with pytest.raises(LimitReached, match="Your bundles are 600 bytes, and 500 bytes more are over the limit"):
        lay_out(posting, second, 500)
    with pytest.raises(LimitReached, match=r"The bundle of this cart is 1\.5 KB, more than all yours may be"):
        lay_out(posting, second, 1500)
    void(posting, first)
    lay_out(posting, second, 500)
    assert used(posting) == recomputed(posting) == {"carts": 2, "entries": 2, "bundles": 500}


def test_uploads_count_until_they_are_posted_discarded_or_given_up(database: Database) -> None:
    posting = limited(database, uploads=2)
    posting.service.manifest_upload(ANN, "a")
    posting.service.manifest_upload(ANN, "b")
    with pytest.raises(LimitReached, match="You have 2 uploads that no cart was made from, the limit; post one"):
        posting.service.manifest_upload(ANN, "c")
    cart = post(posting, "a", 1)
    upload = posting.uploads.newest("ann", "b")
    assert upload is not None
    assert within(posting, lambda: posting.uploads.bind(upload.id, "e", cart.id))
    assert used(posting)["uploads"] == 1
    posting.service.delete(ANN, "a")
    assert used(posting) == recomputed(posting) == {}
    posting.service.manifest_upload(ANN, "a")
    posting.service.manifest_upload(BEN, "a")
    posting.uploads.close_abandoned(0, 10)
    assert (used(posting), used(posting, "ben")) == ({}, {})


def test_an_uploaded_manifest_counts_when_it_is_read(database: Database) -> None:
    posting = limited(database, entries=5)
    slot = posting.service.manifest_upload(ANN, "a")
    posting.manifests.objects[upload_key(slot.upload)] = b"a manifest"
    posting.service.create(ANN, "a", b'{"manifest": "uploaded"}')
    cart_id = posting.carts.find("ann", "a").id
    assert used(posting) == {"carts": 1}
    within(posting, lambda: posting.carts.charges.charge_entries(cart_id, "ann", 4))
    with pytest.raises(LimitReached):
        within(posting, lambda: posting.carts.charges.charge_entries(cart_id, "ann", 6))
    assert used(posting) == recomputed(posting) == {"carts": 1, "entries": 4}


def test_logins_of_one_owner_with_other_groups_do_not_refuse_each_other(database: Database) -> None:
    posting = Posting(database, book=LimitBook(OwnerLimits(carts=5), groups={"large": {"carts": 9}}))
    logins = [caller("ann", groups=("large",)), caller("ann")]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(posting.post_limits.count, logins * 50))
    shown = posting.post_limits.shown(ANN)["posts"]
    assert (shown.used, shown.limit) == (100, None) or shown.used < 100, "unless a minute has ended meanwhile"


def test_posts_are_counted_by_minute_whatever_becomes_of_them(database: Database) -> None:
    posting = limited(database, posts=3)
    limits = OwnerLimits(posts=3)
    now = 600.0
    for _ in range(3):
        posting.usage.count_post(ANN, limits, now)
    with pytest.raises(TooManyRequests, match="You have sent 3 POSTs in this minute, the limit") as refused:
        posting.usage.count_post(ANN, limits, now + 15.5)
    assert refused.value.seconds == 45
    posting.usage.count_post(BEN, limits, now)
    posting.usage.count_post(ANN, OwnerLimits(posts=4), now)
    for _ in range(3):
        posting.usage.count_post(ANN, limits, now + 60)
    with pytest.raises(TooManyRequests):
        posting.usage.count_post(ANN, limits, now + 59.9)  # a clock that is behind gets nothing more


def test_a_bad_manifest_counts_as_a_post(database: Database) -> None:
    posting = limited(database, posts=2)
    for _ in range(2):
        with pytest.raises(InvalidManifest):
            posting.service.create(ANN, "a", b"{")
    with pytest.raises(TooManyRequests):
        posting.service.create(ANN, "a", b"{")
    with pytest.raises(TooManyRequests):
        posting.service.manifest_upload(ANN, "a")


def test_groups_are_remembered_and_their_limits_apply(database: Database) -> None:
    book = LimitBook(OwnerLimits(carts=1), groups={"g": {"carts": 2}})
    posting = Posting(database, book=book)
    member = caller("ann", groups=("g", "h"))
    post(posting, "a", 1, who=member)
    post(posting, "b", 1, who=member)
    assert posting.usage.groups_of("ann") == ("g", "h")
    with pytest.raises(LimitReached):
        post(posting, "c", 1, who=member)
    posting.service.delete(member, "b")
    with pytest.raises(LimitReached):
        post(posting, "b", 1)  # no longer a member
    assert posting.usage.groups_of("ann") == ()


def test_nobody_has_neither_a_row_nor_limits(database: Database) -> None:
    posting = limited(database, carts=1, entries=1, posts=1, uploads=1)
    for uid in "abc":
        post(posting, uid, 1, 2, who=ANYONE)
        posting.service.manifest_upload(ANYONE, uid)
    posting.service.delete(ANYONE, "a")
    assert used(posting, "") == {}
    assert posting.usage.to_reconcile(0, 10) == []


def test_fifty_at_once_do_not_break_the_limit(database: Database) -> None:
    posting = limited(database, carts=7, entries=14)
    posting.usage.remember(ANN, OwnerLimits(carts=7, entries=14))
    outcomes: list[str] = []

    def one(number: int) -> None:
        try:
            post(posting, f"u{number}", 1, 2)
            outcomes.append("made")
        except LimitReached:
            outcomes.append("refused")
        finally:
            database.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count("made"), outcomes.count("refused")) == (7, 43)
    assert used(posting) == recomputed(posting) == {"carts": 7, "entries": 14}


@pytest.mark.parametrize("seed", range(4))
def test_what_is_used_adds_up_after_any_history(database: Database, seed: int) -> None:
    posting, chance = limited(database, carts=4, entries=9, bundles=3000, uploads=3), random.Random(seed)
    for _ in range(60):
        step(posting, chance)
        assert used(posting) == recomputed(posting)
        found = posting.usage.used("ann")
        most = {"carts": 4, "entries": 9, "bundles": 3000, "uploads": 3, "staging": 0, "recalls": 0}
        assert all(found[name] <= most[name] for name in found)
    assert DatabaseSweep(database).reconcile_usage.run() == 0


class Crash(Exception):
    pass


def step(posting: Posting, chance: random.Random) -> None:
    uid = chance.choice("abcdef")
    live = posting.carts.live("ann", uid)
    steps: list[Callable[[], Any]] = [
        lambda: post(posting, uid, *range(chance.randint(1, 4))),
        lambda: posting.service.manifest_upload(ANN, uid),
        lambda: posting.service.delete(ANN, uid),
    ]
    if live:
        steps += [
            lambda: within(posting, lambda: posting.endings.fail(live.id, "no")),
            lambda: lay_out(posting, live, chance.randint(1, 1500)) if live.state == CartState.WAITING else None,
            lambda: void(posting, live),
            lambda: expire(posting, live),
            lambda: crashed(posting, lambda: posting.endings.retire(live.id)),
        ]
    try:
        chance.choice(steps)()
    except (LimitReached, CartNotFound, Crash):
        pass


def crashed(posting: Posting, work: Callable[[], Any]) -> None:
    def write() -> None:
        work()
        raise Crash

    within(posting, write)


def test_the_sweep_repairs_what_is_wrong_and_says_so(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    posting = limited(database)
    post(posting, "a", 1, 2)
    within(posting, lambda: posting.usage.take("ann", carts=5, recalls=3, staging=10))
    sweep = DatabaseSweep(database).reconcile_usage
    assert sweep.run() == 1
    assert "the usage of 'ann' was" in caplog.text
    assert used(posting) == {"carts": 1, "entries": 2}
    assert sweep.run() == 0


def test_a_cart_made_without_a_row_of_its_owner_still_counts(database: Database) -> None:
    posting = limited(database)
    within(posting, lambda: posting.usage.take("new", carts=1))
    assert used(posting, "new") == {"carts": 1}
