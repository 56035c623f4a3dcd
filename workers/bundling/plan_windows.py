"""From sizes to windows: the layout is fixed here, and windows are handed out as jobs, a few of a cart at a time.

So a huge cart never fills the queue, and small carts behind it do not starve on any queue.
"""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from chalicelib.aws.bundle_store import key_of
from chalicelib.errors import LeaseLost, Retry
from chalicelib.job_message import JobMessage
from chalicelib.stores.carts import Cart
from chalicelib.stores.entries import CartEntry
from chalicelib.stores.jobs import JobKind
from workers.runtime.lease import Lease
from workers.staging.parts import Parts, WindowWork
from workers.stores.windows import ONLINE, TAKEN, TAPE, Window
from workers.tar.layout import MIN_PART, Member, Plan, cut, end_length, member_length, plan, split

AT_ONCE = 8  # windows of one cart that are jobs at the same time


@dataclass(slots=True)
class LayoutInput:
    """What the layout of a cart is made from, 9 bytes for each of its entries in order."""

    lengths: array[int] = field(default_factory=lambda: array("Q"))  # in the bundle, with headers
    on_tape: bytearray = field(default_factory=bytearray)
    bytes_total: int = 0  # of the files themselves

    def add(self, cart: Cart, entries: Iterable[CartEntry]) -> None:
        """The cart's next entries, whose sizes are known."""
        for entry in entries:
            self.lengths.append(member_length(member_of(cart, entry)))
            self.on_tape.append(bool(entry.on_tape))
            self.bytes_total += entry.size


class WindowPlanner:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def lay_out(self, lease: Lease, cart: Cart, measures: LayoutInput, only: list[CartEntry] | None) -> WindowWork:
        """Fix the layout and hand out the first windows; the one this job goes on with. Raises Retry where on tape.

        `only`: the cart's entries with what was found out of them, where that is not written down yet.
        """
        total = sum(measures.lengths)
        planned = self._plan(total, cart.files_total)
        windows = list(_windows(cut(measures.lengths, planned), planned, end_length(total), measures.on_tape))
        layout: dict[str, Any] = {
            "part_size": planned.part_size,
            "bytes_total": measures.bytes_total,
            "windows_total": len(windows),
            "bundle_size": total + end_length(total),
            "upload_id": self._begin_upload(cart, windows, planned),
        }
        waits = any(measures.on_tape)
        hints = self._record(lease, cart, windows, layout, only, waits)
        self._parts.queue.send(hints)
        if waits:
            raise Retry(1, "files are on tape")
        cart = dataclasses.replace(cart, **layout)
        first = windows[0]
        lease.job = dataclasses.replace(lease.job, kind=JobKind.WINDOW, window=first.number)
        return WindowWork(cart, first, only[: first.files] if only is not None else self._entries(cart, first))

    def more(self, lease: Lease, cart: Cart, last_look: bool) -> None:
        """Hand out windows that have come online; with the last of them the recall's job is done."""
        busy = len(self._parts.windows.in_state(cart.id, TAKEN, "reserved", "staged"))

        def work() -> list[JobMessage]:
            return self.next_windows(cart.id, max(0, AT_ONCE - busy))

        settle = self._parts.jobs.finish if last_look else self._parts.jobs.fenced
        self._parts.queue.send(settle(lease.job, work))

    def next_windows(self, cart_id: int, most: int) -> list[JobMessage]:
        """Up to `most` more windows as jobs, within the caller's transaction; send the hints after it."""
        return [
            self._parts.jobs.add(cart_id, JobKind.WINDOW, number) for number in self._parts.windows.take(cart_id, most)
        ]

    def _plan(self, total: int, entries: int) -> Plan:
        """Windows are also small enough for several of them to have room on the volume."""
        settings = self._parts.settings
        room = self._parts.volume.capacity() // 4
        window_size = max(MIN_PART, min(settings.window_size, room))
        part_size = settings.part_size
        return plan(total, entries, part_size=part_size, window_size=window_size, window_files=settings.window_files)

    def _begin_upload(self, cart: Cart, windows: list[Window], planned: Plan) -> str:
        """A small bundle takes one PUT; it has no upload."""
        if len(windows) == 1 and windows[0].length <= planned.part_size:
            return ""
        return self._parts.bundles.begin(key_of(cart.id, cart.attempt))

    def _record(
        self,
        lease: Lease,
        cart: Cart,
        windows: list[Window],
        layout: dict[str, Any],
        only: list[CartEntry] | None,
        waits: bool,
    ) -> list[JobMessage]:
        if not waits:
            windows[0] = dataclasses.replace(windows[0], state=TAKEN)

        def work() -> list[JobMessage]:
            if not self._parts.carts.laid_out(cart, **layout):
                raise LeaseLost
            if only is not None:
                self._parts.entries.found(only)
            self._parts.windows.lay_out(cart.id, windows)
            return self.next_windows(cart.id, AT_ONCE - 1) if len(windows) > 1 else []

        return self._parts.jobs.progressed(lease.job, work, JobKind.RECALL if waits else JobKind.WINDOW, 0)

    def _entries(self, cart: Cart, window: Window) -> list[CartEntry]:
        return self._parts.entries.page(cart.id, window.first, window.files)


def member_of(cart: Cart, entry: CartEntry) -> Member:
    return Member(f"{cart.root}/{entry.path}", entry.size, entry.mtime_ns, entry.new_dirs)


def _windows(cuts: Iterable[tuple[int, int]], planned: Plan, tail: int, on_tape: bytearray) -> Iterator[Window]:
    first, part = 0, 1
    runs = list(cuts)
    for number, (files, length) in enumerate(runs):
        whole = length + tail if number == len(runs) - 1 else length
        state = TAPE if any(on_tape[first : first + files]) else ONLINE
        yield Window(number, first, files, whole, part, state)
        first += files
        part += len(split(whole, planned.part_size))
