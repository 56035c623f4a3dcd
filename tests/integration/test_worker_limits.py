"""A worker within its cart's owner's limits: what it counts, waits for, and ends in `error`."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.stores.cart_row import Cart
from chalicelib.stores.owner_usage import OwnerUsageStore
from tests.callers import caller
from tests.integration.conftest import Site
from tests.integration.worker_site import MIB, generated, manifest, until

ANN = caller("ann")
WINDOWS = {"PART_SIZE": "5M", "WINDOW_SIZE": "5M"}


def ended(site: Site, uid: str) -> Cart:
    def is_over() -> bool:
        return site.system.service.find(ANN, uid).state in ("ready", "error")

    until(is_over, 60)
    return site.system.service.find(ANN, uid)


def used(site: Site) -> dict[str, int]:
    database, usage = site.system.database, OwnerUsageStore(site.system.database)
    found = usage.used("ann")
    assert found == database.transaction(lambda: usage.recomputed("ann"))
    return {name: count for name, count in found.items() if count}


def test_windows_of_one_owner_take_turns_and_give_back_what_they_held(site_of: Callable[..., Site]) -> None:
    site = site_of({}, LIMIT_STAGING="7M", **WINDOWS)
    files = generated(3, 6 * MIB)
    site.start_worker()
    site.system.service.create(ANN, "a", manifest(files, ""))
    cart = ended(site, "a")
    assert (cart.state, cart.message) == ("ready", "")
    assert used(site) == {"carts": 1, "entries": 3, "bundles": cart.bundle_size}
    site.system.service.delete(ANN, "a")
    assert used(site) == {}


def test_a_bundle_over_the_limit_ends_in_error_and_gives_all_back(site_of: Callable[..., Site]) -> None:
    site = site_of({}, LIMIT_BUNDLES="1M")
    site.start_worker()
    site.system.service.create(ANN, "a", manifest(generated(1, 2 * MIB), ""))
    cart = ended(site, "a")
    assert cart.state == "error"
    assert "The bundle of this cart is 2.1 MB, more than all yours may be, 1.0 MB" in cart.message
    assert used(site) == {}
