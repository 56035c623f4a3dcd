"""Bundles expire by age and by total size, but not while a URL is valid."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from chalicelib.db.models import Carts
from chalicelib.errors import CartExpired
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import manifest


def age(site: Site, uid: str, seconds: float) -> None:
    """Make the cart look unused for `seconds`."""
    past = time.time() - seconds
    with site.system.database.session() as db:
        Carts.update(used_at=past, url_until=0).where(Carts.uid == uid).execute(db)


def ready(site: Site, *uids: str, size: int = 10) -> None:
    for uid in uids:
        site.put(uid, uid[:1].encode() * size)
        site.system.service.create(ANYONE, uid, manifest({uid: uid[:1].encode() * size}))
    for uid in uids:
        assert site.wait(uid).state == "ready"


def stored_in_time(site: Site, count: int) -> bool:
    deadline = time.monotonic() + 10
    while len(site.stored()) != count and time.monotonic() < deadline:
        time.sleep(0.05)
    return len(site.stored()) == count


def test_an_unused_bundle_expires_and_can_be_posted_again(site_of: Callable[..., Site]) -> None:
    site = site_of(BUNDLE_TTL="100")
    site.start_worker()
    ready(site, "old", "new")
    age(site, "old", 101)
    site.system.sweep.run()
    with pytest.raises(CartExpired, match="expired"):
        site.system.service.find(ANYONE, "old")
    assert stored_in_time(site, 1)
    assert site.system.service.find(ANYONE, "new").state == "ready"
    ready(site, "old")


def test_a_bundle_with_a_valid_url_does_not_expire(site_of: Callable[..., Site]) -> None:
    site = site_of(BUNDLE_TTL="100")
    site.start_worker()
    ready(site, "held")
    age(site, "held", 1000)
    site.system.service.download(ANYONE, "held", None)
    with site.system.database.session() as db:
        Carts.update(used_at=0).execute(db)
    site.system.sweep.run()
    assert site.system.service.find(ANYONE, "held").state == "ready"


def test_over_the_limit_the_least_recently_used_bundle_expires(site_of: Callable[..., Site]) -> None:
    site = site_of(BUNDLE_LIMIT="25000")
    site.start_worker()
    ready(site, "a", "b", "c")  # 10,240 bytes each
    age(site, "a", 50)
    age(site, "b", 90)
    age(site, "c", 10)
    site.system.sweep.run()
    with pytest.raises(CartExpired):
        site.system.service.find(ANYONE, "b")
    assert {site.system.service.find(ANYONE, uid).state for uid in ("a", "c")} == {"ready"}
    assert stored_in_time(site, 2)


def test_no_bundle_expires_within_the_buffer_time(site_of: Callable[..., Site]) -> None:
    site = site_of(BUNDLE_LIMIT="1", LRU_BUFFER_TIME="60")
    site.start_worker()
    ready(site, "a")
    age(site, "a", 30)
    site.system.sweep.run()
    assert site.system.service.find(ANYONE, "a").state == "ready"
