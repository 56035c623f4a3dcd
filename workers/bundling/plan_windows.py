"""From file sizes to windows: fixes the layout of a cart, and turns its windows into jobs, a few at a time.

So a huge cart never fills the queue, and small carts behind it do not starve.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chalicelib.aws.bundle_store import BundleStore, key_of
from chalicelib.db.states import WindowState
from chalicelib.errors import LeaseLost
from chalicelib.job_message import JobMessage
from chalicelib.stores.carts import Cart, CartStore
from chalicelib.stores.entries import CartEntry, EntryStore
from chalicelib.stores.jobs import JobKind, JobStore
from workers.bundling.part_limits import MIN_PART, PartSizes, cut_windows, fit_part_limit, split_window
from workers.files.volume import Volume
from workers.runtime.lease import Lease
from workers.staging.layout_input import LayoutInput
from workers.staging.window_work import WindowWork
from workers.stores.windows import Window, WindowStore
from workers.tar.headers import end_length

JOBS_AT_ONCE = 8  # windows of one cart that have a job


@dataclass(frozen=True, slots=True)
class Plan:
    """`messages`: to send. `first`: the window that this job continues with; None if files are on tape."""

    messages: list[JobMessage]
    first: WindowWork | None = None


class WindowPlanner:
    def __init__(
        self,
        jobs: JobStore,
        carts: CartStore,
        entries: EntryStore,
        windows: WindowStore,
        bundles: BundleStore,
        volume: Volume,
        sizes: PartSizes,
    ) -> None:
        """`sizes`: the smallest part, and the largest window; both grow with the bundle."""
        self._jobs = jobs
        self._carts = carts
        self._entries = entries
        self._windows = windows
        self._bundles = bundles
        self._volume = volume
        self._sizes = sizes

    def plan(self, lease: Lease, cart: Cart, layout_input: LayoutInput, unrecorded: list[CartEntry] | None) -> Plan:
        """Fix the layout and turn the first windows into jobs.

        `unrecorded`: the cart's entries with their metadata, if it is not recorded yet.
        """
        total = sum(layout_input.lengths)
        sizes = fit_part_limit(total, cart.files_total, self._sizes_for_volume())
        windows = list(_windows(layout_input, sizes, end_length(total)))
        layout: dict[str, Any] = {
            "part_size": sizes.part_size,
            "bytes_total": layout_input.bytes_total,
            "windows_total": len(windows),
            "bundle_size": total + end_length(total),
            "upload_id": self._begin_upload(cart, windows, sizes),
        }
        waits_for_tape = any(layout_input.on_tape)
        if not waits_for_tape:
            windows[0] = dataclasses.replace(windows[0], state=WindowState.TAKEN)
        messages = self._record(lease, cart, windows, layout, unrecorded)
        if waits_for_tape:
            return Plan(messages)
        first = windows[0]
        entries = unrecorded[: first.files] if unrecorded is not None else self._entries.page(cart.id, 0, first.files)
        return Plan(messages, WindowWork(dataclasses.replace(cart, **layout), first, entries))

    def next_jobs(self, cart_id: int, limit: int) -> list[JobMessage]:
        """Turn up to `limit` more windows into jobs, within the caller's transaction; send the messages after it."""
        return [self._jobs.add(cart_id, JobKind.WINDOW, number) for number in self._windows.take(cart_id, limit)]

    def fill_jobs(self, cart_id: int) -> list[JobMessage]:
        """As `next_jobs`, up to the number of windows that may be jobs at the same time."""
        active = self._windows.in_state(cart_id, WindowState.TAKEN, WindowState.RESERVED, WindowState.STAGED)
        return self.next_jobs(cart_id, max(0, JOBS_AT_ONCE - len(active)))

    def _sizes_for_volume(self) -> PartSizes:
        """Limits windows to a quarter of the volume, so that several fit at once."""
        quarter = self._volume.capacity() // 4
        return self._sizes._replace(window_size=max(MIN_PART, min(self._sizes.window_size, quarter)))

    def _begin_upload(self, cart: Cart, windows: list[Window], sizes: PartSizes) -> str:
        """Begin the multipart upload. A small bundle is one PUT and has none."""
        if len(windows) == 1 and windows[0].length <= sizes.part_size:
            return ""
        return self._bundles.begin_upload(key_of(cart.id, cart.attempt))

    def _record(
        self,
        lease: Lease,
        cart: Cart,
        windows: list[Window],
        layout: dict[str, Any],
        unrecorded: list[CartEntry] | None,
    ) -> list[JobMessage]:
        """Write the layout; the job becomes that of the first window, if that one is taken."""
        taken = windows[0].state == WindowState.TAKEN

        def write() -> list[JobMessage]:
            if not self._carts.record_layout(cart, **layout):
                raise LeaseLost
            if unrecorded is not None:
                self._entries.record_found(unrecorded)
            self._windows.insert(cart.id, windows)
            return self.next_jobs(cart.id, JOBS_AT_ONCE - 1) if len(windows) > 1 else []

        return self._jobs.progressed(lease.job, write, JobKind.WINDOW if taken else JobKind.RECALL, 0)


def _windows(layout_input: LayoutInput, sizes: PartSizes, tail: int) -> Iterator[Window]:
    """`tail`: bytes after the last member."""
    first, part = 0, 1
    runs = list(cut_windows(layout_input.lengths, sizes))
    for number, (files, length) in enumerate(runs):
        whole = length + tail if number == len(runs) - 1 else length
        on_tape = any(layout_input.on_tape[first : first + files])
        yield Window(number, first, files, whole, part, WindowState.TAPE if on_tape else WindowState.ONLINE)
        first += files
        part += len(split_window(whole, sizes.part_size))
