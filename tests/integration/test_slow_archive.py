"""An archive that sends a byte at a time: it holds up only what must wait, and a least speed ends it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.db.models import Windows
from tests.callers import ANYONE
from tests.integration.conftest import Site
from tests.integration.worker_site import MIB, assert_ready, generated, manifest, rows, state, until

SLOW, LARGE, SMALL = generated(1, 6 * MIB, "slow"), generated(1, 6 * MIB, "large"), generated(1, 10)
(DRIPPING,) = SLOW


@pytest.fixture
def crowded(site_of: Callable[..., Site]) -> Callable[..., Site]:
    """Sites whose volume of 10 MB has room for one of the large files, of which one comes a byte at a time."""

    def build(**variables: str) -> Site:
        policies = {"workers_stopped_after": 0.5, "retries": {"while_down": 0.5}}
        site = site_of(policies, VOLUME_LIMIT="10M", PART_SIZE="5M", LEASE="3", **variables)
        site.simulator.control(drip={DRIPPING: 0.2})
        site.start_worker()
        site.system.service.create(ANYONE, "slow", manifest(SLOW))
        until(lambda: ("reserved",) in rows(site, Windows.state), 10, "nothing is reserved")
        site.system.service.create(ANYONE, "large", manifest(LARGE))
        until(lambda: any(since for (since,) in rows(site, Windows.waits_since)), 10, "nothing waits")
        return site

    return build


def test_a_small_cart_is_ready_while_one_waits_for_what_another_holds(crowded: Callable[..., Site]) -> None:
    site = crowded(ARCHIVE_MIN_RATE="0")
    site.system.service.create(ANYONE, "small", manifest(SMALL))
    assert_ready(site, "small", SMALL, 15)
    assert (state(site, "slow"), state(site, "large")) == ("staging", "staging")
    site.system.service.delete(ANYONE, "slow")
    assert_ready(site, "large", LARGE)


def test_a_pull_that_is_too_slow_fails_its_cart_and_the_one_that_waits_goes_on(crowded: Callable[..., Site]) -> None:
    site = crowded(ARCHIVE_MIN_RATE="1K", ARCHIVE_READ_TIMEOUT="1", ARCHIVE_PATIENCE="1")
    assert_ready(site, "large", LARGE)
    cart = site.wait("slow")
    assert (cart.state, cart.message) == (
        "error",
        f"d/{DRIPPING} (id {DRIPPING}): the archive sends less than 1024 bytes/s",
    )
