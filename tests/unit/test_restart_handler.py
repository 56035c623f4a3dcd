"""The first job of a failed cart that begins again. tests/integration/admin/test_mending.py runs it whole."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from chalicelib.aws.bundle_store import BundleStore
from chalicelib.db.states import WaitsFor
from chalicelib.errors import StoreUnavailable
from chalicelib.stores.job_row import JobKind
from tests.doubles.site import MemorySite
from workers.handlers.restart import RestartHandler
from workers.runtime.lease import Lease


class HangingStore:
    """Its one call notes what the job waits for meanwhile."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self.waited_for: list[WaitsFor] = []

    def delete_all(self, cart_id: int, attempt: int) -> None:
        hanging = self._lease.calls.hanging(-1.0)
        self.waited_for += [hanging[0]] if hanging else []
        raise StoreUnavailable("hung up")


def test_a_store_that_hangs_shows_as_what_the_cart_waits_for(tmp_path: Path) -> None:
    site = MemorySite(tmp_path)
    lease = site.lease(site.post("a", {"x": b"x"}), JobKind.RESTART)
    store = HangingStore(lease)
    world = site.world
    handler = RestartHandler(world.jobs, world.carts, site.layout_rows, cast(BundleStore, store), site.releaser)
    with pytest.raises(StoreUnavailable):
        handler.run(lease)
    assert store.waited_for == [WaitsFor.STORE]
