"""The first job of a cart whose manifest was uploaded: checked and made entries, a batch at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NoReturn

from chalicelib.aws.manifest_uploads import manifest_key
from chalicelib.errors import InvalidManifest, LeaseLost, PermanentError
from chalicelib.manifest.gunzip import TooLarge, unpacked
from chalicelib.manifest.paths import check_name
from chalicelib.manifest.reader import Entry, ManifestReader
from chalicelib.manifest.stream import Root, stream
from chalicelib.stores.carts import Cart
from chalicelib.stores.jobs import JobKind
from workers.runtime.lease import Lease
from workers.staging.parts import Parts

BATCH = 5000  # entries in one transaction


class ImportManifest:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def run(self, lease: Lease) -> None:
        """Turn the upload into entries; the job goes on as the recall. Raises PermanentError telling what is wrong."""
        cart = self._parts.carts.get(lease.job.cart_id)
        if self._parts.uploads.digest(manifest_key("", cart.uid)) is None:
            raise PermanentError("manifest: what was uploaded is gone; upload and post it again")
        reader = ManifestReader(cart.uid)
        self._parts.jobs.fenced(lease.job, lambda: self._parts.entries.drop(cart.id))
        try:
            for batch in self._batches(cart, reader):
                lease.check()
                self._insert(lease, cart, reader.count - len(batch), batch)
        except InvalidManifest as error:
            self._refuse(lease, cart, error.problems)
        if reader.problems:
            self._refuse(lease, cart, reader.problems)
        self._end(lease, cart, reader)

    def _batches(self, cart: Cart, reader: ManifestReader) -> Iterator[list[Entry]]:
        batch: list[Entry] = []
        for raw in self._raw(cart):
            if isinstance(raw, Root):
                reader.root = _checked(raw)
                continue
            entry = reader.add(raw)
            if entry is None or reader.problems:
                continue  # read on: all that is wrong is told at once
            batch.append(entry)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if not reader.count:
            raise InvalidManifest(["fileids: is empty"])
        if batch and not reader.problems:
            yield batch

    def _raw(self, cart: Cart) -> Iterator[object]:
        limit = self._parts.settings.max_manifest
        try:
            yield from stream(unpacked(self._parts.uploads.read(manifest_key("", cart.uid)), limit))
        except TooLarge as error:
            raise InvalidManifest([f"body: is larger than MAX_MANIFEST, {limit} bytes, unpacked"]) from error
        except ValueError as error:
            raise InvalidManifest([f"body: {error}"]) from error

    def _refuse(self, lease: Lease, cart: Cart, problems: Sequence[str]) -> NoReturn:
        """Remove the upload before its client sees that it is refused, unless it is another one by now."""
        self._parts.jobs.fenced(lease.job, lambda: None)
        key = manifest_key("", cart.uid)
        if self._parts.uploads.digest(key) == cart.digest:
            self._parts.uploads.delete(key)
        raise PermanentError("; ".join(problems))

    def _insert(self, lease: Lease, cart: Cart, first: int, batch: list[Entry]) -> None:
        self._parts.jobs.fenced(lease.job, lambda: self._parts.entries.add(cart.id, first, batch))

    def _end(self, lease: Lease, cart: Cart, reader: ManifestReader) -> None:
        def write() -> None:
            if not self._parts.carts.manifest_read(cart.id, reader.root, reader.count):
                raise LeaseLost

        self._parts.jobs.fenced(lease.job, write, JobKind.RECALL, 0)
        self._parts.uploads.delete(manifest_key("", cart.uid))
        lease.job = dataclasses.replace(lease.job, kind=JobKind.RECALL)


def _checked(root: Root) -> str:
    try:
        return check_name(root.name)
    except ValueError as error:
        raise InvalidManifest([f"root: {error}"]) from error
