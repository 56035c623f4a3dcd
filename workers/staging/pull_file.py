"""Pulls one file from the archive onto the volume: hashed while it is written, renamed only when it is right.

A file whose size or mtime is no longer what the layout was made from voids the layout.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable, LayoutChanged
from workers.archive.client import ArchiveClient
from workers.files.file_spec import FileSpec
from workers.files.hashes import Hashes, Hashing, matches
from workers.files.volume import StagedFileGone, Volume
from workers.runtime.lease import Lease
from workers.runtime.repairs import Repair, Repairs
from workers.staging.file_sink import BLOCK, write_all
from workers.staging.landing import Landing
from workers.staging.pull_large import LargePuller, is_continued
from workers.staging.receive import Receiver
from workers.staging.unchanged import check_unchanged, wrong_size

TRIES = 3


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
        self._receiver = Receiver(archive, lease, self._landing)
        self._large = LargePuller(archive, volume, lease, self._landing)

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
                self._discard(spec)
            check_unchanged(self._archive, spec, self._lease)
        except ArchiveRefused as error:
            self._discard(spec)
            return spec, Refused(error.message)
        except ArchiveUnavailable as error:
            return spec, Failing(error.message)
        except (LayoutChanged, OSError):
            with suppress(OSError):
                self._discard(spec)
            raise
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
        if is_continued(spec):
            return self._large.pull(spec, again)
        hashing, unverified = Hashing(spec), again or not spec.hashes
        with self._volume.writing(spec.archive_id, self._lease.claim, spec.size) as descriptor:
            received = self._receiver.receive(spec, descriptor, hashing, unverified=unverified)
            if received != spec.size:
                check_unchanged(self._archive, spec, self._lease)
                raise wrong_size(spec, received)
        return hashing.hashes()

    def _keep(self, spec: FileSpec) -> None:
        try:
            if is_continued(spec):
                self._volume.keep_partial(spec, self._lease.claim)
            else:
                self._volume.keep(spec.archive_id, self._lease.claim, spec.mtime_ns)
        except OSError:
            self._discard(spec)
            raise

    def _discard(self, spec: FileSpec) -> None:
        """Remove what was received."""
        if is_continued(spec):
            self._volume.discard_partial(spec, self._lease.claim)
        else:
            self._volume.discard(spec.archive_id, self._lease.claim)
