"""The job of an assistant: it takes files of what another job shares, does what that one would do, and ends.

It never fails a cart. What it could not do is left to the job that called it, which has the patience for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from chalicelib.errors import CartNotFound, LeaseLost, Retry
from chalicelib.stores.carts import Cart
from chalicelib.stores.entries import CartEntry
from workers.files.hashes import Hashes
from workers.runtime.lease import Lease
from workers.staging.file_actions import PULLING, FileSpec
from workers.staging.metadata import Finder
from workers.staging.parts import Parts, WindowWork
from workers.staging.pull_batch import pull_all
from workers.stores.windows import RESERVED

TURN = 10.0  # seconds, after which the jobs that queue behind have theirs


class Assist:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._finder = Finder(parts)

    def run(self, lease: Lease) -> None:
        """Take files until none is left. Raises Retry when it has had its turn, LeaseLost when the cart is gone."""
        if lease.job.attempts <= 1:
            end = time.monotonic() + TURN
            for _ in self._steps(lease):
                if time.monotonic() > end:
                    raise Retry(0, "an assistant has had its turn")
        self._parts.jobs.finish(lease.job, lambda: None)

    def _steps(self, lease: Lease) -> Iterator[None]:
        """Each is a few files."""
        try:
            cart = self._parts.carts.get(lease.job.cart_id)
        except CartNotFound as error:
            raise LeaseLost from error
        if not cart.windows_total:
            yield from self._ask(lease, cart)
            return
        window = self._parts.windows.get(cart.id, lease.job.window)
        if window is not None and window.state == RESERVED:
            entries = self._parts.entries.page(cart.id, window.first, window.files)
            yield from self._pull(lease, WindowWork(cart, window, entries))

    def _ask(self, lease: Lease, cart: Cart) -> Iterator[None]:
        """Find out about the cart's files; those the archive fails to answer for stay unknown."""
        while share := self._parts.jobs.fenced(lease.job, lambda: self._parts.shares.take(cart.id)):
            positions = share[1]
            entries = self._parts.entries.page(cart.id, positions.start, len(positions))
            unknown = [entry for entry in entries if entry.size is None and not entry.error]
            self._finder.find(lease, unknown)
            self._record_found(lease, [entry for entry in unknown if entry.size is not None])
            yield

    def _record_found(self, lease: Lease, found: Sequence[CartEntry]) -> None:
        self._parts.jobs.progressed(lease.job, lambda: self._parts.entries.found(found))

    def _pull(self, lease: Lease, work: WindowWork) -> Iterator[None]:
        for wanted in self._taken(lease, list(work.wanted().values())):
            outcomes = pull_all(self._parts, lease, wanted)
            self._record_staged(lease, [(want, known) for want, known in outcomes if isinstance(known, dict)])
            yield

    def _taken(self, lease: Lease, wanted: Sequence[FileSpec]) -> Iterator[list[FileSpec]]:
        """The files that fall to this job: it is their puller from then on, in the place of the one that shares."""

        def take() -> list[FileSpec] | None:
            self._parts.catalogue.lock()
            share = self._parts.shares.take(lease.job.cart_id)
            if share is None:
                return None
            owner, indexes = share
            some = wanted[indexes.start : indexes.stop]
            self._parts.catalogue.hand_over(owner, lease.job.id, [want.archive_id for want in some])
            return self._ours(lease, some)

        while (ours := self._parts.jobs.fenced(lease.job, take)) is not None:
            yield ours

    def _record_staged(self, lease: Lease, staged: Sequence[tuple[FileSpec, Hashes]]) -> None:
        """Only what is still this job's to pull: its reservation may have been given back meanwhile."""

        def write() -> None:
            self._parts.catalogue.lock()
            ours = {want.archive_id for want in self._ours(lease, [want for want, _ in staged])}
            self._parts.catalogue.staged([pair for pair in staged if pair[0].archive_id in ours])

        if staged:
            self._parts.jobs.progressed(lease.job, write)

    def _ours(self, lease: Lease, wanted: Sequence[FileSpec]) -> list[FileSpec]:
        known = self._parts.catalogue.known(want.archive_id for want in wanted)
        ours = {name for name, file in known.items() if (file.state, file.puller) == (PULLING, lease.job.id)}
        return [want for want in wanted if want.archive_id in ours]
