"""The first job of a cart whose manifest was uploaded: reads the upload, and inserts its entries in batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from chalicelib.db.database import chunks
from chalicelib.errors import InvalidManifest, LeaseLost, LimitReached, PermanentError, TooManyEntries
from chalicelib.manifest.gunzip import TooLarge
from chalicelib.manifest.reader import Entry, ManifestReader
from chalicelib.notify.asked import Asked
from chalicelib.posting.limits import ManifestLimits
from chalicelib.posting.notify_rights import NotifyRights
from chalicelib.stores.audit import AuditStore
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.carts import CartStore
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.manifest_row import ManifestRow
from workers.handlers.unread_uploads import Source, UnreadUploads
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Continue, Outcome

BATCH = 5000  # entries in one transaction


class ImportManifestHandler:
    def __init__(
        self,
        jobs: JobStore,
        carts: CartStore,
        entries: EntryStore,
        uploads: UnreadUploads,
        audit: AuditStore,
        limits: ManifestLimits,
        notify: NotifyRights,
    ) -> None:
        self._jobs = jobs
        self._carts = carts
        self._entries = entries
        self._uploads = uploads
        self._audit = audit
        self._limits = limits
        self._notify = notify

    def run(self, lease: Lease) -> Outcome:
        """Continues as a recall. Raises PermanentError listing every problem of the manifest.

        A refused upload is deleted by the clean-up job of its cart: after the cart has failed, so that a worker that
        dies in between leaves an upload that says again what is wrong.
        """
        cart = self._carts.get(lease.job.cart_id)
        source = self._uploads.source(cart)
        asked = self._carts.asked(cart.id)
        posted = dataclasses.replace(source.posted, notify=asked.option)
        reader = ManifestReader(cart.uid, self._limits.entries, posted)
        self._jobs.fenced(lease.job, lambda: self._entries.drop(cart.id))
        first = 0
        for batch in chunks(self._read(source, reader), BATCH):
            lease.check()
            self._insert(lease, cart, first, batch)
            first += len(batch)
        self._end(lease, cart, reader, self._asked_in(reader, cart, asked))
        self._uploads.delete(source)
        return Continue(JobKind.RECALL)

    def _read(self, source: Source, reader: ManifestReader) -> Iterator[Entry]:
        limit = self._limits.upload
        try:
            yield from reader.entries(self._uploads.read(source), limit)
        except (InvalidManifest, TooManyEntries) as error:
            raise PermanentError(error.message) from error
        except TooLarge as error:
            raise PermanentError(f"body: is larger than MAX_MANIFEST, {limit} bytes, unpacked") from error

    def _insert(self, lease: Lease, cart: Cart, first: int, batch: Sequence[Entry]) -> None:
        def write() -> None:
            self._entries.add(cart.id, first, batch)
            self._audit.record_files(cart.owner, cart.uid, cart.id, first, [entry.archive_id for entry in batch])

        self._jobs.fenced(lease.job, write)

    def _asked_in(self, reader: ManifestReader, cart: Cart, posted: Asked) -> Asked | None:
        """Whom the manifest asks to tell, unless its POST does. Raises PermanentError."""
        if posted.option or not reader.notify:
            return None
        try:
            return self._notify.asked(cart.owner, posted.address, reader.notify)
        except (InvalidManifest, LimitReached) as error:
            raise PermanentError(error.message) from error

    def _end(self, lease: Lease, cart: Cart, reader: ManifestReader, asked: Asked | None) -> None:
        options = {"names": reader.names, "sums": reader.sums}
        read = ManifestRow(reader.root, reader.digest, reader.count, **options, warnings=reader.warnings, uploaded=True)

        def write() -> None:
            if not self._carts.record_manifest(cart.id, read):
                raise LeaseLost
            if asked:
                self._carts.ask(cart.id, asked)
            self._uploads.close(cart.id)
            self._carts.charges.charge_entries(cart.id, cart.owner, reader.count)

        try:
            self._jobs.fenced(lease.job, write, JobKind.RECALL, 0)
        except LimitReached as error:
            raise PermanentError(error.message) from error
