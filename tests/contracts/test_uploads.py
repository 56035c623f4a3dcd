"""Contract of the upload store: an upload is bound once, and its row stays until its URL has expired."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from chalicelib.stores.uploads import Upload
from tests.doubles.world import World

LIFE, SLACK, DAY = 60.0, 10.0, 86400.0
TOKENS = map(str, itertools.count())


def test_uploads_are_found_by_token_and_the_newest_without(world: World) -> None:
    first, second = added(world), added(world)
    assert world.uploads.find("", "a", first.token) == first
    assert world.uploads.newest("", "a") == second
    assert world.uploads.get(first.id) == first
    assert (first.is_bound, first.closed_at, first.etag) == (False, None, "")


def test_another_owner_or_uid_does_not_find_an_upload(world: World) -> None:
    upload = added(world)
    assert world.uploads.find("", "b", upload.token) is None
    assert world.uploads.find("else", "a", upload.token) is None
    assert world.uploads.newest("else", "a") is None
    assert world.uploads.newest("", "b") is None
    assert world.uploads.find("", "a", "") is None


def test_an_upload_is_bound_once(world: World) -> None:
    upload = added(world)
    assert bind(world, upload, 7)
    assert not bind(world, upload, 8)
    found = world.uploads.get(upload.id)
    assert found == Upload(upload.id, upload.token, "e", 7, None)
    assert world.uploads.unread(7) == [found]
    assert world.uploads.unread(8) == []


def test_a_copy_is_bound_and_nobody_reads_it(world: World) -> None:
    upload, copy = added(world), added(world)
    bind(world, upload, 7)
    assert world.transaction(lambda: world.uploads.bind_copy(copy.id, "e", 7))
    assert not world.transaction(lambda: world.uploads.bind_copy(copy.id, "e", 7))
    assert [unread.id for unread in world.uploads.unread(7)] == [upload.id]
    assert is_closed(world, copy)
    assert sorted(world.uploads.tokens_of_cart(7)) == sorted([upload.token, copy.token])


def test_a_cart_can_be_read_from_each_of_its_uploads_until_it_has_been(world: World) -> None:
    first, second = added(world), added(world)
    assert bind(world, first, 7)
    assert bind(world, second, 7)
    assert [unread.id for unread in world.uploads.unread(7)] == [second.id, first.id]
    world.transaction(lambda: world.uploads.close_of_cart(7))
    assert world.uploads.unread(7) == []


def test_the_upload_of_a_cart_that_ended_is_closed(world: World) -> None:
    upload, other = added(world), added(world)
    bind(world, upload, 7)
    bind(world, other, 8)
    world.transaction(lambda: world.uploads.close_of_cart(7))
    assert world.uploads.unread(7) == []
    assert is_closed(world, upload)
    assert not is_closed(world, other)


def test_discarding_closes_what_no_cart_was_made_from(world: World) -> None:
    bound, unbound, elsewhere = added(world), added(world), added(world, uid="b")
    bind(world, bound, 7)
    world.transaction(lambda: world.uploads.discard("", "a"))
    assert [is_closed(world, upload) for upload in (bound, unbound, elsewhere)] == [False, True, False]
    assert not bind(world, unbound, 8)


def test_what_nobody_posts_is_closed_after_a_while(world: World) -> None:
    old = added(world)
    bound = added(world)
    bind(world, bound, 7)
    world.advance(DAY)
    young = added(world)
    world.uploads.close_abandoned(DAY, 10)
    assert [is_closed(world, upload) for upload in (old, bound, young)] == [True, False, False]
    assert not bind(world, old, 8)


def test_one_step_closes_no_more_than_it_may_and_the_oldest_first(world: World) -> None:
    uploads = [added(world) for _ in range(3)]
    world.advance(DAY)
    world.uploads.close_abandoned(DAY, 2)
    assert [is_closed(world, upload) for upload in uploads] == [True, True, False]


def test_only_closed_uploads_expire_and_only_when_their_url_has(world: World) -> None:
    discarded = added(world)
    world.transaction(lambda: world.uploads.discard("", "a"))
    still_open, unread = added(world), added(world)
    bind(world, unread, 7)
    assert expired(world) == []
    world.advance(LIFE)
    assert expired(world) == [], "the slack"
    world.advance(SLACK + 1)
    assert expired(world) == [discarded.id]
    world.transaction(lambda: world.uploads.close_of_cart(7))
    assert expired(world) == [discarded.id, unread.id]
    assert not is_closed(world, still_open)


def test_one_step_takes_those_that_expired_first(world: World) -> None:
    late = added(world, life=LIFE + 5)
    early = [added(world) for _ in range(2)]
    world.transaction(lambda: world.uploads.discard("", "a"))
    world.advance(LIFE + SLACK + 6)
    assert sorted(expired(world, limit=2)) == sorted(upload.id for upload in early)
    assert late.id in expired(world, limit=3)


def test_a_forgotten_upload_goes_or_stays_with_its_cart(world: World) -> None:
    discarded = added(world)
    world.transaction(lambda: world.uploads.discard("", "a"))
    bound = added(world)
    bind(world, bound, 7)
    world.transaction(lambda: world.uploads.close_of_cart(7))
    world.advance(LIFE + SLACK + 1)
    world.transaction(lambda: world.uploads.forget(expired(world)))
    assert expired(world) == []
    assert world.uploads.get(discarded.id) is None
    assert world.uploads.find("", "a", bound.token) is not None
    assert world.uploads.tokens_of_cart(7) == []
    world.transaction(lambda: world.uploads.delete_of_cart(7))
    assert world.uploads.get(bound.id) is None


def test_the_row_of_an_object_that_may_still_come_outlives_its_cart(world: World) -> None:
    bound, other = added(world), added(world)
    bind(world, bound, 7)
    bind(world, other, 8)
    world.transaction(lambda: world.uploads.delete_of_cart(7))
    found = world.uploads.get(bound.id)
    assert found is not None
    assert (found.is_bound, is_closed(world, bound)) == (False, True)
    assert world.uploads.unread(8) != []
    world.advance(LIFE + SLACK + 1)
    assert expired(world) == [bound.id]
    world.transaction(lambda: world.uploads.forget([bound.id]))
    assert world.uploads.get(bound.id) is None


@pytest.mark.parametrize("end", ["fail", "retire"])
def test_the_end_of_a_cart_closes_its_upload(world: World, end: str) -> None:
    cart, upload = world.cart("a"), added(world)
    bind(world, upload, cart.id)
    ends = {
        "fail": lambda: world.endings.fail(cart.id, "broken"),
        "retire": lambda: world.endings.retire(cart.id),
    }
    world.transaction(ends[end])
    assert is_closed(world, upload)


def added(world: World, uid: str = "a", life: float = LIFE) -> Upload:
    world.uploads.add("", uid, next(TOKENS), life)
    upload = world.uploads.newest("", uid)
    assert upload is not None
    return upload


def bind(world: World, upload: Upload, cart_id: int) -> bool:
    bound: bool = world.transaction(lambda: world.uploads.bind(upload.id, "e", cart_id))
    return bound


def is_closed(world: World, upload: Upload) -> bool:
    found = world.uploads.get(upload.id)
    assert found is not None
    return found.closed_at is not None


def expired(world: World, limit: int = 10) -> list[int]:
    found: Iterable[Upload] = world.uploads.expired(SLACK, limit)
    return [upload.id for upload in found]
