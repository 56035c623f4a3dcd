"""The first job of a failed cart that an operator lets begin again: it clears away what the old attempt has left.

Then it is the cart's recall. What did not fail stays: the staged files, and what the archive has said about them.
"""

from __future__ import annotations

import dataclasses

from chalicelib.aws.bundle_store import BundleStore
from chalicelib.stores.carts import CartStore
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.jobs import JobStore
from workers.files.volume import volume_errors
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Continue
from workers.staging.release import SpaceReleaser
from workers.stores.layout_rows import LayoutRows


class RestartHandler:
    def __init__(
        self, jobs: JobStore, carts: CartStore, rows: LayoutRows, bundles: BundleStore, releaser: SpaceReleaser
    ) -> None:
        self._jobs = jobs
        self._carts = carts
        self._rows = rows
        self._bundles = bundles
        self._releaser = releaser

    @volume_errors()
    def run(self, lease: Lease) -> Continue:
        """A job that is repeated does the same again."""
        cart = self._carts.get(lease.job.cart_id)
        with lease.calling_store():
            self._bundles.delete_all(cart.id, cart.attempt - 1)  # the clean-up that would have done it was called off

        def write() -> None:
            self._releaser.release_cart(lease, cart)
            self._rows.begin_again(cart.id)

        self._jobs.fenced(lease.job, write, JobKind.RECALL, 0)
        lease.job = dataclasses.replace(lease.job, kind=JobKind.RECALL, window=0)  # later statements keep what it is
        self._releaser.settle(lease)
        return Continue(JobKind.RECALL)
