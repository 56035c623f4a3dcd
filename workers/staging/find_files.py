"""Looks up size, mtime and place of every file of a cart, a page of entries at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chalicelib.stores.carts import Cart
from chalicelib.stores.entries import CartEntry, EntryStore
from chalicelib.stores.jobs import JobStore
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer
from workers.staging.file_retries import FileRetries, files_failed
from workers.staging.layout_input import LayoutInput
from workers.staging.metadata import MetadataLookup
from workers.staging.share_work import WorkSharing

PAGE = 1000  # entries in memory at once


class FileFinder:
    def __init__(
        self,
        jobs: JobStore,
        entries: EntryStore,
        metadata: MetadataLookup,
        retries: FileRetries,
        sharing: WorkSharing,
    ) -> None:
        self._jobs = jobs
        self._entries = entries
        self._metadata = metadata
        self._retries = retries
        self._sharing = sharing

    def find(self, lease: Lease, cart: Cart) -> tuple[LayoutInput, list[CartEntry] | None] | Defer:
        """Look up all files of the cart.

        Returns the input of the layout, and the entries if their metadata is not recorded yet (one page holds them
        all). Returns Defer while some files cannot be looked up, and raises EntriesFailed when some never can.
        """
        defer: Defer | None = None
        unrecorded: list[CartEntry] | None = None
        layout_input = LayoutInput()
        for page in self.pages(cart):
            unknown = [entry for entry in page if entry.is_unknown]
            again = self._look_up(lease, cart, unknown)
            defer = again or defer
            complete = not again and not any(entry.error for entry in page)
            if complete:
                layout_input.add(cart, page)
            if complete and cart.files_total <= PAGE:
                unrecorded = page  # recorded together with the layout
            elif unknown:
                self._record(lease, unknown)
        if defer is not None:
            return defer
        if unrecorded is None:
            self.raise_errors(cart)
        return layout_input, unrecorded

    def ask_again(self, lease: Lease, cart: Cart, first: int, files: int) -> list[CartEntry]:
        """Ask the archive again about those of `files` entries from `first` on that were on tape; return these."""
        asked = [entry for entry in self._entries.page(cart.id, first, files) if entry.on_tape]
        self._retries.record(self._metadata.ask_archive(lease, asked))
        self._record(lease, asked)
        self._metadata.forget_recalls({entry.archive_id for entry in asked if not entry.on_tape})
        return asked

    def pages(self, cart: Cart) -> Iterator[list[CartEntry]]:
        """All entries of the cart, in order."""
        for first in range(0, cart.files_total, PAGE):
            yield self._entries.page(cart.id, first, PAGE)

    def raise_errors(self, cart: Cart) -> None:
        """Raise EntriesFailed if any entry of the cart has an error."""
        count, first = self._entries.errors(cart.id)
        if first is not None:
            raise files_failed(count, cart.files_total, first)

    def _look_up(self, lease: Lease, cart: Cart, entries: Sequence[CartEntry]) -> Defer | None:
        """Look up entries; retry failures once, after a pause. Returns Defer if some files should be retried later."""
        asked, probed = self._metadata.look_up_staged(entries), self._sharing.policy.probed
        began = self._sharing.start_probe()
        failing = self._metadata.ask_archive(lease, asked[:probed])
        rest = asked[probed:]
        if rest and self._sharing.is_worthwhile(began, probed, cart.files_total - rest[0].position):
            self._look_up_shared(lease, cart, rest)
        failing += self._metadata.ask_archive(lease, [entry for entry in rest if entry.size is None])
        if failing:
            self._retries.record(failing)
            lease.sleep(self._retries.policy.first_retry)
            failing = self._metadata.ask_archive(lease, [entry for entry, _ in failing if not entry.error])
        return self._retries.record_and_schedule(failing)

    def _look_up_shared(self, lease: Lease, cart: Cart, entries: Sequence[CartEntry]) -> None:
        """Share these entries, and all that follow in the cart, with assistants; fill in what was found."""
        first = entries[0].position
        self._sharing.begin(lease, first, cart.files_total)
        for positions in self._sharing.take(lease):
            page = self._entries.page(cart.id, positions.start, len(positions))
            unknown = [entry for entry in page if entry.is_unknown]
            self._metadata.look_up(lease, unknown)
            self._record(lease, [entry for entry in unknown if entry.size is not None])
        self._sharing.wait(lease)
        recorded = self._entries.page(cart.id, first, entries[-1].position + 1 - first)
        for entry in entries:
            same = recorded[entry.position - first]
            entry.size, entry.mtime_ns, entry.on_tape = same.size, same.mtime_ns, same.on_tape

    def _record(self, lease: Lease, entries: Sequence[CartEntry]) -> None:
        self._jobs.fenced(lease.job, lambda: self._entries.record_found(entries))
