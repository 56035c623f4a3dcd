"""The first job of a cart: where its files are and how large they are; recalls for those on tape; then the layout.

A cart of one window goes on as that window at once. While files are on tape this job stays, and looks again ever more
rarely; windows whose files are all online go ahead meanwhile.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence

from chalicelib.errors import EntriesFailed, Retry
from chalicelib.stores.carts import Cart, CartState
from chalicelib.stores.entries import CartEntry
from workers.archive.retries import QUICK, Failures, failed
from workers.bundling.plan_windows import LayoutInput, WindowPlanner
from workers.runtime.lease import Lease
from workers.staging.metadata import Finder
from workers.staging.parts import Parts, WindowWork
from workers.staging.spread import PROBED, Pace, Spread
from workers.stores.windows import ONLINE, TAPE, Window

PAGE = 1000  # entries in memory at once
SHORTEST_LOOK, LONGEST_LOOK = 2.0, 300.0  # seconds between looks at files on tape
NAMED = 5  # files an error names


class Recall:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._failures = Failures(parts.settings.archive_patience, parts.archive.alive, parts.clock)
        self._handout = WindowPlanner(parts)
        self._finder = Finder(parts)
        self._spread = Spread(parts)

    def run(self, lease: Lease) -> WindowWork | None:
        """The window to go on with at once, where there is one."""
        cart = self._parts.carts.get(lease.job.cart_id)
        if cart.windows_total:
            self._look_again(lease, cart)
            return None
        self._parts.carts.begin_staging(cart.id)
        cart = dataclasses.replace(cart, state=CartState.STAGING)
        measures, only = self._find(lease, cart)
        return self._handout.lay_out(lease, cart, measures, only)

    def _find(self, lease: Lease, cart: Cart) -> tuple[LayoutInput, list[CartEntry] | None]:
        """Learn size, mtime and place of every file; the entries as well, where one page holds them all.

        Raises Retry while some cannot be learnt yet, EntriesFailed when some never will.
        """
        retry: Retry | None = None
        only: list[CartEntry] | None = None
        measures = LayoutInput()
        for page in self._pages(cart):
            unknown = [entry for entry in page if entry.size is None and not entry.error]
            again = self._learn(lease, cart, unknown)
            retry = again or retry
            whole = not again and not any(entry.error for entry in page)
            if whole:
                measures.add(cart, page)
            if whole and cart.files_total <= PAGE:
                only = page  # written down with the layout
            elif unknown:
                self._record(lease, unknown)
        if retry:
            raise retry
        if only is None:
            self._raise_errors(cart)
        return measures, only

    def _raise_errors(self, cart: Cart) -> None:
        count, first = self._parts.entries.errors(cart.id)
        if first is not None:
            raise failed(count, cart.files_total, first)

    def _pages(self, cart: Cart) -> Iterator[list[CartEntry]]:
        for first in range(0, cart.files_total, PAGE):
            yield self._parts.entries.page(cart.id, first, PAGE)

    def _learn(self, lease: Lease, cart: Cart, entries: Sequence[CartEntry]) -> Retry | None:
        """Fill in what is known of these entries. What failed is asked for once more, soon."""
        asked, pace = self._finder.look_up(entries), Pace()
        rest = asked[PROBED:]
        failing = self._finder.ask(lease, asked[:PROBED])
        if rest and self._spread.pays(pace, PROBED, cart.files_total - rest[0].position):
            self._ask_together(lease, cart, rest)
        failing += self._finder.ask(lease, [entry for entry in rest if entry.size is None])
        if failing:
            self._failures.note(failing)
            lease.sleep(QUICK)
            failing = self._finder.ask(lease, [entry for entry, _ in failing if not entry.error])
        return self._failures.note(failing)

    def _ask_together(self, lease: Lease, cart: Cart, entries: Sequence[CartEntry]) -> None:
        """Share the asking for these entries and all that follow; fill in what came of it."""
        first = entries[0].position
        self._spread.call(lease, first, cart.files_total)
        for positions in self._spread.taken(lease):
            some = self._parts.entries.page(cart.id, positions.start, len(positions))
            unknown = [entry for entry in some if entry.size is None and not entry.error]
            self._finder.find(lease, unknown)
            self._record(lease, [entry for entry in unknown if entry.size is not None])
        self._spread.wait(lease)
        told = self._parts.entries.page(cart.id, first, entries[-1].position + 1 - first)
        for entry in entries:
            same = told[entry.position - first]
            entry.size, entry.mtime_ns, entry.on_tape = same.size, same.mtime_ns, same.on_tape

    def _look_again(self, lease: Lease, cart: Cart) -> None:
        """See which files have come online, and hand out the windows that have them all."""
        waiting = 0
        for window in self._parts.windows.in_state(cart.id, TAPE):
            entries = self._parts.entries.page(cart.id, window.first, window.files)
            on_tape = [entry for entry in entries if entry.on_tape]
            self._failures.note(self._finder.ask(lease, on_tape))
            left = sum(bool(entry.on_tape) for entry in on_tape)
            waiting += left
            self._record(lease, on_tape)
            self._parts.recalls.online({entry.archive_id for entry in on_tape if not entry.on_tape})
            if not left:
                self._come_online(lease, cart, window)
        self._raise_errors(cart)
        self._handout.more(lease, cart, last_look=not waiting)
        if waiting:
            raise Retry(self._next_look(cart, waiting), f"{waiting} files are on tape")

    def _record(self, lease: Lease, entries: Sequence[CartEntry]) -> None:
        self._parts.jobs.fenced(lease.job, lambda: self._parts.entries.found(entries))

    def _come_online(self, lease: Lease, cart: Cart, window: Window) -> None:
        self._parts.jobs.progressed(
            lease.job, lambda: self._parts.windows.move(cart.id, window.number, (TAPE,), ONLINE)
        )

    def _next_look(self, cart: Cart, waiting: int) -> float:
        now = self._parts.clock()
        waited = now - (cart.staging_at or now)
        if waited > self._parts.settings.recall_timeout:
            raise EntriesFailed(
                f"{waiting} files did not come online within RECALL_TIMEOUT, "
                f"{self._parts.settings.recall_timeout:.0f} s; first: {self._first_on_tape(cart)}"
            )
        return min(LONGEST_LOOK, max(SHORTEST_LOOK, waited / 8)) * random.uniform(0.8, 1.2)

    def _first_on_tape(self, cart: Cart) -> str:
        names: list[str] = []
        for page in self._pages(cart):
            names += [entry.path for entry in page if entry.on_tape][: NAMED - len(names)]
            if len(names) == NAMED:
                break
        return ", ".join(names)
