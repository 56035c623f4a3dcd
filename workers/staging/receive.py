"""Receives one large file from the archive: written and hashed as it comes. A body that breaks off late is resumed."""

from __future__ import annotations

import logging

from chalicelib.errors import ArchiveUnavailable
from workers.archive.client import ArchiveClient
from workers.files.file_spec import FileSpec
from workers.files.hashes import Hashing
from workers.runtime.lease import Lease
from workers.staging.file_sink import FileSink
from workers.staging.landing import Landing

RESUMES = 5
#: Bytes. A transfer that breaks off earlier is not resumed at once.
RESUMED_FROM = 8 << 20

log = logging.getLogger(__name__)


class Receiver:
    """Receives under one lease."""

    def __init__(self, archive: ArchiveClient, lease: Lease, landing: Landing) -> None:
        self._archive = archive
        self._lease = lease
        self._landing = landing

    def receive(
        self, spec: FileSpec, descriptor: int, hashing: Hashing, *, unverified: bool = False, have: int = 0
    ) -> int:
        """Write what comes at the descriptor's offset, and return the bytes of the file that are there then.

        `have`: how many are there, and hashed, already. `unverified`: see ArchiveClient.contents. One byte too many is
        accepted, so that a file that is too long shows. Raises ArchiveUnavailable, ArchiveRefused, OSError.
        """
        transferred, error = self._read_from(spec, unverified, have, descriptor, hashing)
        received, resumes = have + transferred, 0
        while received < spec.size and resumes < RESUMES and _is_worth_resuming(spec, transferred):
            log.info("%s broke off at %d of %d bytes; resuming", spec.archive_id, received, spec.size)
            transferred, error = self._read_from(spec, unverified, received, descriptor, hashing)
            received += transferred
            resumes += 1
        if error is not None and not (received == spec.size and spec.hashes):
            raise error
        return received

    def _read_from(
        self, spec: FileSpec, unverified: bool, start: int, descriptor: int, hashing: Hashing
    ) -> tuple[int, ArchiveUnavailable | None]:
        """One transfer: the bytes received, and the error that ended it, if any."""
        sink = FileSink(
            descriptor, hashing, spec.size - start, lambda size: self._landing.landed(spec.archive_id, start + size)
        )
        error, stop = None, spec.size if start else None
        try:
            self._archive.read(
                spec.archive_id, sink.take, self._lease.check, start=start, stop=stop, unverified=unverified
            )
        except ArchiveUnavailable as unavailable:
            error = unavailable
        return sink.finish(), error


def _is_worth_resuming(spec: FileSpec, transferred: int) -> bool:
    """`transferred`: bytes of the last transfer alone. Without a hash, nothing would verify the joined pieces."""
    return transferred >= RESUMED_FROM and bool(spec.hashes)
