"""The first job of a cart whose manifest was uploaded: reads the upload, and inserts its entries in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NoReturn

from chalicelib.aws.manifest_uploads import ManifestUploadStore, manifest_key
from chalicelib.errors import InvalidManifest, LeaseLost, PermanentError
from chalicelib.manifest.gunzip import TooLarge, unpacked
from chalicelib.manifest.paths import check_name
from chalicelib.manifest.reader import Entry, ManifestReader
from chalicelib.manifest.stream import Root, stream
from chalicelib.stores.carts import Cart, CartStore
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.jobs import JobKind, JobStore
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Continue, Outcome

BATCH = 5000  # entries in one transaction


class ImportManifestHandler:
    def __init__(
        self, jobs: JobStore, carts: CartStore, entries: EntryStore, uploads: ManifestUploadStore, limit: int
    ) -> None:
        """`limit`: bytes of a manifest, uncompressed."""
        self._jobs = jobs
        self._carts = carts
        self._entries = entries
        self._uploads = uploads
        self._limit = limit

    def run(self, lease: Lease) -> Outcome:
        """Continues as a recall. Raises PermanentError listing every problem of the manifest."""
        cart = self._carts.get(lease.job.cart_id)
        if self._uploads.digest(manifest_key("", cart.uid)) is None:
            raise PermanentError("manifest: what was uploaded is gone; upload and post it again")
        reader = ManifestReader(cart.uid)
        self._jobs.fenced(lease.job, lambda: self._entries.drop(cart.id))
        try:
            for batch in self._batches(cart, reader):
                lease.check()
                self._insert(lease, cart, reader.count - len(batch), batch)
        except InvalidManifest as error:
            self._refuse(lease, cart, error.problems)
        if reader.problems:
            self._refuse(lease, cart, reader.problems)
        self._end(lease, cart, reader)
        return Continue(JobKind.RECALL)

    def _batches(self, cart: Cart, reader: ManifestReader) -> Iterator[list[Entry]]:
        batch: list[Entry] = []
        for raw in self._raw_entries(cart):
            if isinstance(raw, Root):
                reader.root = _checked(raw)
                continue
            entry = reader.add(raw)
            if entry is None or reader.problems:
                continue  # read on, to report every problem at once
            batch.append(entry)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if not reader.count:
            raise InvalidManifest(["fileids: is empty"])
        if batch and not reader.problems:
            yield batch

    def _raw_entries(self, cart: Cart) -> Iterator[object]:
        try:
            yield from stream(unpacked(self._uploads.read(manifest_key("", cart.uid)), self._limit))
        except TooLarge as error:
            raise InvalidManifest([f"body: is larger than MAX_MANIFEST, {self._limit} bytes, unpacked"]) from error
        except ValueError as error:
            raise InvalidManifest([f"body: {error}"]) from error

    def _refuse(self, lease: Lease, cart: Cart, problems: Sequence[str]) -> NoReturn:
        """Remove the upload before its client sees the refusal, unless another upload has replaced it."""
        self._jobs.fenced(lease.job, lambda: None)
        key = manifest_key("", cart.uid)
        if self._uploads.digest(key) == cart.digest:
            self._uploads.delete(key)
        raise PermanentError("; ".join(problems))

    def _insert(self, lease: Lease, cart: Cart, first: int, batch: list[Entry]) -> None:
        self._jobs.fenced(lease.job, lambda: self._entries.add(cart.id, first, batch))

    def _end(self, lease: Lease, cart: Cart, reader: ManifestReader) -> None:
        def write() -> None:
            if not self._carts.record_manifest(cart.id, reader.root, reader.count):
                raise LeaseLost

        self._jobs.fenced(lease.job, write, JobKind.RECALL, 0)
        self._uploads.delete(manifest_key("", cart.uid))


def _checked(root: Root) -> str:
    try:
        return check_name(root.name)
    except ValueError as error:
        raise InvalidManifest([f"root: {error}"]) from error
