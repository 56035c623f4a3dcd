"""Pulls one file from the archive onto the volume: hashed while it is written, renamed only when it is right.

A file whose size or mtime is no longer what the layout was made from voids the layout.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable, LayoutChanged
from workers.archive.client import ArchiveClient
from workers.files.file_spec import FileSpec
from workers.files.hashes import Hashes, Hashing, matches
from workers.files.volume import StagedFileGone, Volume
from workers.runtime.lease import Lease
from workers.runtime.repairs import Repair, Repairs
from workers.staging.file_sink import BLOCK, FileSink, write_all
from workers.staging.landing import Landing

TRIES = 3
RESUMES = 5
#: Bytes. A transfer that breaks off earlier is not resumed: the file is read again from its start.
RESUMED_FROM = 8 << 20

#: ArchiveClient.read, with `unverified` given.
Read = Callable[..., None]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failing:
    """The file could not be pulled now; a retry may succeed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The file cannot be pulled, now or later."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """Each pull brought other bytes than the manifest says. `hashes`: those of the last, for each entry to compare."""

    hashes: Hashes


#: Result of one file: all hashes now known of it, or why it is not staged.
FileResult = Hashes | Failing | Refused | Wrong


class FilePuller:
    """Pulls files under one lease. What a method does for a file is complete when it returns."""

    def __init__(
        self,
        archive: ArchiveClient,
        volume: Volume,
        lease: Lease,
        landing: Landing | None = None,
        repairs: Repairs | None = None,
    ) -> None:
        self._archive = archive
        self._repairs = repairs or Repairs()
        self._volume = volume
        self._lease = lease
        self._landing = landing or Landing()

    def fetch(self, specs: Iterable[FileSpec]) -> Generator[tuple[FileSpec, bytes | Failing | Refused], None, None]:
        """Yield the bytes of small files as the archive sends them, in any order."""
        by_id = {spec.archive_id: spec for spec in specs}
        sizes = {name: spec.size for name, spec in by_id.items()}
        unverified = {name for name, spec in by_id.items() if not spec.hashes}
        with closing(self._archive.contents(sizes, self._lease.check, unverified=unverified)) as contents:
            for archive_id, content in contents:
                if isinstance(content, bytes):
                    yield by_id[archive_id], content
                else:
                    kind = Refused if isinstance(content, ArchiveRefused) else Failing
                    yield by_id[archive_id], kind(content.message)

    def store(self, fetched: tuple[FileSpec, bytes | Failing | Refused]) -> tuple[FileSpec, FileResult | None]:
        """Stage a fetched file. The result is None for wrong bytes: `pull` them again. Raises OSError."""
        spec, content = fetched
        if not isinstance(content, bytes):
            return spec, content
        hashing = Hashing(spec)
        hashing.update(content)
        hashes = hashing.hashes()
        if len(content) != spec.size or not matches(spec, hashes):
            return spec, None
        with self._volume.writing(spec.archive_id, self._lease.claim, spec.size) as descriptor:
            write_all(descriptor, memoryview(content))
        self._keep(spec)
        return spec, hashes

    def pull(self, spec: FileSpec, tries: int = TRIES) -> tuple[FileSpec, FileResult]:
        """Pull a file and stage it. A hash that is wrong `tries` times is final.

        Raises LayoutChanged, LeaseLost, WorkerStopping, and OSError (ENOSPC where the volume is full).
        """
        hashes: Hashes = {}
        try:
            for left in range(tries, 0, -1):
                hashes = self._pull_once(spec, again=left < TRIES)
                if matches(spec, hashes):
                    self._keep(spec)
                    return spec, hashes
                self._volume.discard(spec.archive_id, self._lease.claim)
            self._check_unchanged(spec)
        except ArchiveRefused as error:
            return spec, Refused(error.message)
        except ArchiveUnavailable as error:
            return spec, Failing(error.message)
        finally:
            self._landing.ended(spec.archive_id)
        return spec, Wrong(hashes)

    def verify(self, spec: FileSpec) -> tuple[FileSpec, FileResult]:
        """Compute the hashes of a staged file; pull a file that does not match, or cannot be read, again."""
        hashing, hashed = Hashing(spec), 0
        try:
            descriptor = self._volume.open(spec.archive_id, spec.size, spec.mtime_ns)
        except StagedFileGone:
            return self._repair(spec, "is missing from the volume")
        try:
            while block := os.read(descriptor, BLOCK):
                self._lease.check()
                hashing.update(block)
                hashed += len(block)
                self._landing.landed(spec.archive_id, hashed)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return self._repair(spec, "cannot be read from the volume")  # this writes other blocks of the disk
        finally:
            os.close(descriptor)
            self._landing.ended(spec.archive_id)
        hashes = hashing.hashes()
        return (spec, hashes) if matches(spec, hashes) else self._repair(spec, "is damaged on the volume")

    def _repair(self, spec: FileSpec, why: str) -> tuple[FileSpec, FileResult]:
        self._repairs.note(Repair.FILE, self._lease.job.cart_id, f"{spec.archive_id} {why}")
        return self.pull(spec)

    def _pull_once(self, spec: FileSpec, again: bool) -> Hashes:
        """`again`: its bytes were wrong. They may have been those of another answer on the same connection."""
        hashing = Hashing(spec)
        with self._volume.writing(spec.archive_id, self._lease.claim, spec.size) as descriptor:
            read = partial(self._archive.read, unverified=again or not spec.hashes)
            received = self._receive(spec, read, descriptor, hashing)
            if received != spec.size:
                self._check_unchanged(spec)
                raise _wrong_size(spec, received)
        return hashing.hashes()

    def _receive(self, spec: FileSpec, read: Read, descriptor: int, hashing: Hashing) -> int:
        """Return the bytes received. A body that breaks off late is resumed there; the hash verifies the whole."""
        received, error = self._read_from(spec, read, 0, descriptor, hashing)
        transferred, resumes = received, 0
        while received < spec.size and resumes < RESUMES and _is_worth_resuming(spec, transferred):
            log.info("%s broke off at %d of %d bytes; resuming", spec.archive_id, received, spec.size)
            transferred, error = self._read_from(spec, read, received, descriptor, hashing)
            received += transferred
            resumes += 1
        if error is not None and not (received == spec.size and spec.hashes):
            raise error
        return received

    def _read_from(
        self, spec: FileSpec, read: Read, start: int, descriptor: int, hashing: Hashing
    ) -> tuple[int, ArchiveUnavailable | None]:
        """One transfer: the bytes received, and the error that ended it, if any."""
        sink = FileSink(
            descriptor, hashing, spec.size - start, lambda size: self._landing.landed(spec.archive_id, start + size)
        )
        error = None
        try:
            read(spec.archive_id, sink.take, self._lease.check, start=start, stop=spec.size if start else None)
        except ArchiveUnavailable as unavailable:
            error = unavailable
        return sink.finish(), error

    def _keep(self, spec: FileSpec) -> None:
        try:
            self._volume.keep(spec.archive_id, self._lease.claim, spec.mtime_ns)
        except OSError:
            self._volume.discard(spec.archive_id, self._lease.claim)
            raise

    def _check_unchanged(self, spec: FileSpec) -> None:
        """Raise LayoutChanged if the archive's file is no longer the one in the layout."""
        status = self._archive.status(spec.archive_id, self._lease.check)
        if (status.size, status.mtime_ns) != (spec.size, spec.mtime_ns):
            raise LayoutChanged(f"{spec.archive_id} has changed in the archive")


def _wrong_size(spec: FileSpec, received: int) -> ArchiveUnavailable:
    """The layout is made from the size that HEAD gives, so a GET that brings another number of bytes is an error."""
    sent = f"{received} bytes" if received < spec.size else f"more than {spec.size} bytes"
    return ArchiveUnavailable(f"the archive sent {sent}; by its X-Content-Length there are {spec.size}")


def _is_worth_resuming(spec: FileSpec, transferred: int) -> bool:
    """`transferred`: bytes of the last transfer alone. Without a hash, nothing would verify the joined pieces."""
    return transferred >= RESUMED_FROM and bool(spec.hashes)
