"""The manifest in a POST's body: checked as a whole, and then inserted with its cart."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chalicelib.errors import BodyTooLarge
from chalicelib.manifest.gunzip import TooLarge
from chalicelib.manifest.options import Options
from chalicelib.manifest.reader import Entry, ManifestReader
from chalicelib.posting.kept_entries import KeptEntries
from chalicelib.posting.limits import UNPACKED, ManifestLimits
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.manifest_row import ManifestRow, is_of_upload

BLOCK = 1 << 16


class ManifestInBody:
    first_job = JobKind.RECALL

    def __init__(self, uid: str, body: bytes, entries: EntryStore, limits: ManifestLimits) -> None:
        """Read and check the body. Raises InvalidManifest with every problem, BodyTooLarge or TooManyEntries."""
        self._uid = uid
        self._body = body
        self._entries = entries
        self._limits = limits
        reader = ManifestReader(uid, limits.entries)
        self._kept = KeptEntries(self._read(reader))
        self._former_digest = reader.former_digest
        self.notify = reader.notify
        self.row = ManifestRow(
            reader.root, reader.digest, reader.count, names=reader.names, sums=reader.sums, warnings=reader.warnings
        )

    def refresh(self) -> None:
        """A body does not change."""

    def is_live(self, live: Cart | None) -> bool:
        if live is None or live.ended_badly or is_of_upload(live.digest):
            return False
        return live.digest == self.row.digest or live.digest == self._former()

    def attach(self, cart_id: int) -> None:
        self._entries.add(cart_id, 0, self._kept)

    def archive_ids(self) -> Iterable[str]:
        return (entry.archive_id for entry in self._kept)

    def details(self) -> Mapping[str, Any]:
        return {"files": self.row.files, "digest": self.row.digest}

    def _former(self) -> str:
        """The digest that the previous release made of this manifest; for one release."""
        if not self._former_digest and not (self.row.names or self.row.sums):
            reader = ManifestReader(self._uid, self._limits.entries, Options(root=self.row.root))
            deque(self._read(reader), maxlen=0)
            self._former_digest = reader.former_digest  # unknown so far: the root stands behind the entries
        return self._former_digest

    def _read(self, reader: ManifestReader) -> Iterator[Entry]:
        try:
            yield from reader.entries(_blocks(self._body), self._limits.unpacked_body)
        except TooLarge as error:
            raise BodyTooLarge(self._limits.unpacked_body, f"{UNPACKED} times MAX_BODY, unpacked") from error


def _blocks(body: bytes) -> Iterator[bytes]:
    return (body[start : start + BLOCK] for start in range(0, len(body), BLOCK))
