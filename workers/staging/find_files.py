"""Looks up size, mtime and place of every file of a cart, a page of entries at a time.

A long look-up gives its turn to other carts that wait; the job's `window` is the page where it goes on. The first files
of a cart are asked for alone, so that a list of ids that the archive does not have costs it no more than these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chalicelib.db.states import WaitsFor
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.entries import CartEntry, EntryStore
from chalicelib.stores.jobs import JobStore
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer
from workers.runtime.time_slice import TimeSlice, TimeSlices
from workers.staging.file_retries import FailingEntry, FileRetries
from workers.staging.layout_input import LayoutInput
from workers.staging.metadata import MetadataLookup
from workers.staging.missing_files import files_failed, first_failed
from workers.staging.share_work import WorkSharing

PAGE = 1000  # entries in memory at once
FIRST = 100  # files of a larger cart that are asked for before the others
OTHERS_TURN = Defer(0, WaitsFor.TURN, "other carts have their turn")

Found = tuple[LayoutInput, list[CartEntry] | None]


class FileFinder:
    def __init__(
        self,
        jobs: JobStore,
        entries: EntryStore,
        metadata: MetadataLookup,
        retries: FileRetries,
        sharing: WorkSharing,
        slices: TimeSlices,
    ) -> None:
        self._jobs = jobs
        self._entries = entries
        self._metadata = metadata
        self._retries = retries
        self._sharing = sharing
        self._slices = slices

    def find(self, lease: Lease, cart: Cart) -> Found | Defer:
        """Look up all files of the cart.

        Returns the input of the layout, and the entries if their metadata is not recorded yet (one page holds them
        all). Returns Defer while some files cannot be looked up, or when the job's turn is over, and raises
        EntriesFailed when some never can.
        """
        turn = self._slices.begin(cart.id)
        if lease.job.window:
            self._look_through(lease, cart, lease.job.window, turn)
            if turn.ended:
                return OTHERS_TURN
        return self._look_through(lease, cart, 0, turn)

    def take_answers(self, lease: Lease, cart: Cart, first: int, files: int) -> int:
        """Record what looks have found of `files` entries from `first` on, and recall those that nobody has recalled.

        Returns how many of these entries are still on tape.
        """
        on_tape = [entry for entry in self._entries.page(cart.id, first, files) if entry.on_tape]
        self._retries.record(self._metadata.take_answers(lease, on_tape))
        self._record(lease, [entry for entry in on_tape if not entry.on_tape or entry.error or entry.failing_at])
        return sum(bool(entry.on_tape) for entry in on_tape)

    def pages(self, cart: Cart, start: int = 0) -> Iterator[list[CartEntry]]:
        """All entries of the cart from page `start` on, in order."""
        for first in range(start * PAGE, cart.files_total, PAGE):
            yield self._entries.page(cart.id, first, PAGE)

    def raise_errors(self, cart: Cart) -> None:
        """Raise EntriesFailed if any entry of the cart has an error."""
        count, first = self._entries.errors(cart.id)
        if first is not None:
            raise files_failed(count, cart.files_total, first)

    def _look_through(self, lease: Lease, cart: Cart, start: int, turn: TimeSlice) -> Found | Defer:
        """As `find`, from page `start` on. When the turn ends, the job's `window` is the page to go on with."""
        defer: Defer | None = None
        unrecorded: list[CartEntry] | None = None
        layout_input = LayoutInput()
        for number, page in enumerate(self.pages(cart, start), start):
            unknown = [entry for entry in page if entry.is_unknown]
            again = self._look_up(lease, cart, page, turn)
            if turn.ended:
                self._record(lease, unknown, number)
                return OTHERS_TURN
            defer = again or defer
            complete = not any(entry.is_unknown or entry.error for entry in page)
            if complete:
                layout_input.add(cart, page)
            if complete and cart.files_total <= PAGE:
                unrecorded = page  # recorded together with the layout
            elif unknown:
                self._record(lease, unknown)
            if _none_found(cart, page):
                return defer or self._none_of_the_first(page)
        if defer is not None:
            return defer
        if unrecorded is None:
            self.raise_errors(cart)
        return layout_input, unrecorded

    def _look_up(self, lease: Lease, cart: Cart, page: Sequence[CartEntry], turn: TimeSlice) -> Defer | None:
        """Look up the unknown entries of a page, and retry failures once, after a pause; return when to retry."""
        due, wait = self._retries.due([entry for entry in page if entry.is_unknown])
        failing = self._ask(lease, cart, page, self._metadata.look_up_known(lease, due), turn)
        if failing and not turn.ended:
            self._retries.record(failing)
            self._record(lease, [entry for entry, _ in failing])  # its client sees at once what is being retried
            if self._retries.pause(lease):
                retried = [entry for entry, _ in failing if not entry.error]
                failing = self._metadata.ask_archive(lease, retried, turn.is_over)
        return _sooner(wait, self._retries.record_and_schedule(failing))

    def _ask(
        self, lease: Lease, cart: Cart, page: Sequence[CartEntry], entries: list[CartEntry], turn: TimeSlice
    ) -> list[FailingEntry]:
        """Ask the archive; if the first files of the cart all fail, do not ask for the others."""
        first = [entry for entry in entries if entry.position < FIRST] if _none_found(cart, page) else entries
        probed = self._sharing.policy.probed
        began = self._sharing.start_probe()
        failing = self._metadata.ask_archive(lease, first[:probed], turn.is_over)
        asked = len(first[:probed])
        if _none_found(cart, page):
            failing += self._metadata.ask_archive(lease, first[probed:], turn.is_over)
            asked = len(first)
            if _none_found(cart, page):
                return failing
        rest = entries[asked:]
        if rest and asked and self._sharing.is_worthwhile(began, asked, cart.files_total - rest[0].position):
            self._look_up_shared(lease, cart, rest, turn)
        rest = [entry for entry in rest if entry.size is None]
        return failing + self._metadata.ask_archive(lease, rest, turn.is_over)

    def _none_of_the_first(self, page: Sequence[CartEntry]) -> Defer:
        failed = [entry for entry in page[:FIRST] if entry.error]
        if len(failed) == FIRST:
            raise first_failed(FIRST, failed[0])
        return Defer(1, WaitsFor.ARCHIVE, "the archive is failing")

    def _look_up_shared(self, lease: Lease, cart: Cart, entries: Sequence[CartEntry], turn: TimeSlice) -> None:
        """Share these entries, and all that follow in the cart, with assistants; fill in what was found."""
        first = entries[0].position
        self._sharing.begin(lease, first, cart.files_total)
        for positions in self._sharing.take(lease):
            page = self._entries.page(cart.id, positions.start, len(positions))
            unknown = [entry for entry in page if entry.is_unknown]
            self._metadata.look_up(lease, unknown, lease.job.id)
            self._record(lease, [entry for entry in unknown if entry.size is not None])
            if turn.is_over():
                break
        self._sharing.wait(lease, 0.0 if turn.ended else self._sharing.policy.patience)
        recorded = self._entries.page(cart.id, first, entries[-1].position + 1 - first)
        for entry in entries:
            same = recorded[entry.position - first]
            entry.size, entry.mtime_ns, entry.on_tape = same.size, same.mtime_ns, same.on_tape
            entry.failing_s, entry.failing_at, entry.failing_reason = (
                same.failing_s,
                same.failing_at,
                same.failing_reason,
            )

    def _record(self, lease: Lease, entries: Sequence[CartEntry], page: int | None = None) -> None:
        """`page`: where the job goes on, if it is not where it began."""
        self._jobs.fenced(lease.job, lambda: self._entries.record_found(entries), window=page)


def _none_found(cart: Cart, page: Sequence[CartEntry]) -> bool:
    """Whether this is the first page of a large cart, and no file of it was found yet."""
    return cart.files_total > FIRST and page[0].position == 0 and all(entry.size is None for entry in page)


def _sooner(one: Defer | None, other: Defer | None) -> Defer | None:
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda defer: defer.delay)
