"""Pulls one large file so that what was received of it outlives this worker: the next one continues there.

Two versions of a file must not mix. So only a file with a hash is continued, only where the archive still gives the
size and the time that the partial file was begun with, and its hash is computed from what is on the disk.
"""

from __future__ import annotations

import logging
import os

from chalicelib.errors import ArchiveRefused
from workers.archive.client import ArchiveClient
from workers.files.file_spec import FileSpec
from workers.files.hashes import Hashes, Hashing
from workers.files.partial_files import PARTIAL_FROM, RANGED_FROM
from workers.files.volume import Volume
from workers.runtime.lease import Lease
from workers.staging.file_sink import BLOCK
from workers.staging.landing import Landing
from workers.staging.receive import Receiver
from workers.staging.receive_ranges import RangesIgnored, RangesReceiver
from workers.staging.unchanged import check_unchanged, wrong_size

log = logging.getLogger(__name__)


def is_continued(spec: FileSpec) -> bool:
    """Whether what was received of the file stays when its worker ends."""
    return spec.size >= PARTIAL_FROM and bool(spec.hashes)


class LargePuller:
    """Pulls files for which `is_continued`, under one lease."""

    def __init__(self, archive: ArchiveClient, volume: Volume, lease: Lease, landing: Landing) -> None:
        self._archive = archive
        self._volume = volume
        self._lease = lease
        self._landing = landing
        self._receiver = Receiver(archive, lease, landing)
        self._ranges = RangesReceiver(archive, lease, landing)

    def pull(self, spec: FileSpec, again: bool) -> Hashes:
        """Pull the file, or the rest of it, into its partial file; return the hashes of the whole.

        `again`: its bytes were wrong. Raises ArchiveUnavailable, ArchiveRefused, LayoutChanged, OSError.
        """
        hashing = Hashing(spec)
        with self._volume.continuing(spec, self._lease.claim, self._lease.sleep) as (descriptor, size):
            have = self._hash(spec, descriptor, size, hashing)
            if have:
                log.info("%s: continuing at %d of %d bytes", spec.archive_id, have, spec.size)
                check_unchanged(self._archive, spec, self._lease)
            if have < spec.size:
                self._receive_rest(spec, descriptor, hashing, have, again)
        return hashing.hashes()  # those of pieces that do not make a whole are wrong

    def _receive_rest(self, spec: FileSpec, descriptor: int, hashing: Hashing, have: int, again: bool) -> None:
        """Where ranges are not served, something is missing, so the next try asks for the whole file."""
        in_ranges = spec.size >= RANGED_FROM and not again
        try:
            if in_ranges:
                self._ranges.receive(spec, descriptor, hashing, have)
            else:
                self._receive_in_one(spec, descriptor, hashing, have, again)
        except (RangesIgnored, ArchiveRefused):
            if not (in_ranges or have):
                raise
            log.info("%s: the archive serves no ranges; pulling it as a whole", spec.archive_id)

    def _receive_in_one(self, spec: FileSpec, descriptor: int, hashing: Hashing, have: int, again: bool) -> None:
        received = self._receiver.receive(spec, descriptor, hashing, unverified=again, have=have)
        if received != spec.size and not have:
            check_unchanged(self._archive, spec, self._lease)
            raise wrong_size(spec, received)

    def _hash(self, spec: FileSpec, descriptor: int, size: int, hashing: Hashing) -> int:
        """Hash the bytes that are there already; return how many."""
        hashed = 0
        while hashed < size and (block := os.read(descriptor, min(BLOCK, size - hashed))):
            self._lease.check()
            hashing.update(block)
            hashed += len(block)
            self._landing.landed(spec.archive_id, hashed)
        return hashed
