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
from chalicelib.errors import LeaseLost, LimitReached, PermanentError
from chalicelib.job_message import JobMessage
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.carts import CartStore
from chalicelib.stores.entries import CartEntry, EntryStore
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.jobs import JobStore
from workers.bundling.part_limits import (
    MIN_PART,
    PartSizes,
    check_bundle_size,
    cut_bundle,
    fit_part_limit,
    split_window,
)
from workers.files.volume import Volume
from workers.runtime.lease import Lease
from workers.staging.layout_input import LayoutInput, sums_member
from workers.staging.window_work import WindowWork
from workers.stores.windows import Window, WindowStore
from workers.tar.headers import end_length, member_length

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
        max_bundle: int,
    ) -> None:
        """`sizes`: the smallest part, and the largest window; both grow with the bundle. `max_bundle`: bytes."""
        self._jobs = jobs
        self._carts = carts
        self._entries = entries
        self._windows = windows
        self._bundles = bundles
        self._volume = volume
        self._sizes = sizes
        self._max_bundle = max_bundle

    def plan(self, lease: Lease, cart: Cart, layout_input: LayoutInput, unrecorded: list[CartEntry] | None) -> Plan:
        """Fix the layout and turn the first windows into jobs.

        `unrecorded`: the cart's entries with their metadata, if it is not recorded yet. Raises PermanentError for a
        bundle over MAX_BUNDLE, or over what its owner may have.
        """
        sizes, windows, bundle_size = self._cut(cart, layout_input)
        layout: dict[str, Any] = {
            "part_size": sizes.part_size,
            "bytes_total": layout_input.bytes_total,
            "windows_total": len(windows),
            "windows_staged": sum(window.state == WindowState.HELD for window in windows),
            "bundle_size": bundle_size,
            "upload_id": self._begin_upload(lease, cart, windows, sizes),
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

    def jobs_after_window(self, cart: Cart) -> list[JobMessage]:
        """As `next_jobs`, when a window is done: one more, or when all others are done, the one that is generated."""
        return self.next_jobs(cart.id, 1) or self._generated_job(cart)

    def fill_jobs(self, cart_id: int) -> list[JobMessage]:
        """As `next_jobs`, up to the number of windows that may be jobs at the same time."""
        active = self._windows.in_state(cart_id, WindowState.TAKEN, WindowState.RESERVED, WindowState.STAGED)
        return self.next_jobs(cart_id, max(0, JOBS_AT_ONCE - len(active)))

    def _cut(self, cart: Cart, layout_input: LayoutInput) -> tuple[PartSizes, list[Window], int]:
        """The sizes to cut by, the windows, and the bundle's bytes."""
        generated = member_length(sums_member(cart, layout_input.sums_length)) if cart.sums else 0
        total = sum(layout_input.lengths) + generated
        tail = end_length(total)
        check_bundle_size(total + tail, self._max_bundle)
        sizes = fit_part_limit(total, cart.files_total, self._sizes_for_volume())
        runs = cut_bundle(layout_input.lengths, generated, tail, sizes)
        return sizes, list(_windows(layout_input, runs, sizes)), total + tail

    def _sizes_for_volume(self) -> PartSizes:
        """Limits windows to a quarter of the volume, so that several fit at once."""
        quarter = self._volume.capacity() // 4
        return self._sizes._replace(window_size=max(MIN_PART, min(self._sizes.window_size, quarter)))

    def _generated_job(self, cart: Cart) -> list[JobMessage]:
        """The job of the window that is generated from all others; none while others are left, or when it has one."""
        last = cart.windows_total - 1
        if not cart.sums or not self._carts.is_last_window_left(cart):
            return []
        if not self._windows.move(cart.id, last, (WindowState.HELD,), WindowState.STAGED):
            return []
        return [self._jobs.add(cart.id, JobKind.WINDOW, last)]

    def _begin_upload(self, lease: Lease, cart: Cart, windows: list[Window], sizes: PartSizes) -> str:
        """Begin the multipart upload. A small bundle is one PUT and has none."""
        if len(windows) == 1 and windows[0].length <= sizes.part_size:
            return ""
        with lease.calling_store():
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
            messages = self.next_jobs(cart.id, JOBS_AT_ONCE - 1) if len(windows) > 1 else []
            self._carts.charges.charge_bundle(cart.id, cart.owner, layout["bundle_size"])
            return messages

        try:
            return self._jobs.progressed(lease.job, write, JobKind.WINDOW if taken else JobKind.RECALL, 0)
        except LimitReached as error:
            raise PermanentError(error.message) from error


def _windows(layout_input: LayoutInput, runs: list[tuple[int, int]], sizes: PartSizes) -> Iterator[Window]:
    """The rows of windows that are given as (files, bytes)."""
    first, part = 0, 1
    for number, (files, length) in enumerate(runs):
        yield Window(number, first, files, length, part, _first_state(layout_input, first, files))
        first += files
        part += len(split_window(length, sizes.part_size))


def _first_state(layout_input: LayoutInput, first: int, files: int) -> WindowState:
    if not files:
        return WindowState.HELD
    return WindowState.TAPE if any(layout_input.on_tape[first : first + files]) else WindowState.ONLINE
