"""The first job of a cart: ask if its owner may have its files, look them up, recall those on tape, fix the layout.

It continues at once as the job of the cart's first window. While files are on tape it stays a recall and polls at
growing intervals; windows already online proceed.
"""

from __future__ import annotations

import dataclasses

from chalicelib.db.states import WaitsFor
from chalicelib.job_queue import JobQueue
from chalicelib.stores.cart_row import CartState
from chalicelib.stores.carts import CartStore
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.turns import SMALL_BYTES
from workers.bundling.plan_windows import WindowPlanner
from workers.files.volume import volume_errors
from workers.handlers.watch_tape import TapeWatch
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Continue, Defer, Outcome
from workers.staging.find_files import FileFinder
from workers.staging.reading_rights import ReadingRights


class RecallHandler:
    def __init__(
        self,
        carts: CartStore,
        rights: ReadingRights,
        finder: FileFinder,
        planner: WindowPlanner,
        tape: TapeWatch,
        queue: JobQueue,
    ) -> None:
        self._carts = carts
        self._rights = rights
        self._finder = finder
        self._planner = planner
        self._tape = tape
        self._queue = queue

    @volume_errors()
    def run(self, lease: Lease) -> Outcome:
        cart = self._carts.get(lease.job.cart_id)
        if cart.windows_total:
            return self._tape.poll(lease, cart)
        self._rights.check_cart(lease, cart)
        self._carts.begin_staging(cart.id)
        cart = dataclasses.replace(cart, state=CartState.STAGING)
        found = self._finder.find(lease, cart)
        if isinstance(found, Defer):
            return found
        plan = self._planner.plan(lease, cart, *found)
        self._queue.send(plan.messages)
        if plan.first is None:
            return Defer(1, WaitsFor.TAPE, "files are on tape")
        if lease.job.small and plan.first.cart.bytes_total > SMALL_BYTES:
            return Defer(0, WaitsFor.TURN, "its files are too large for a place for small carts")
        return Continue(JobKind.WINDOW, plan.first.window.number, plan.first)
