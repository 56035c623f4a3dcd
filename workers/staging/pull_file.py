"""One file from the archive onto the volume: hashed while it is written, in place only when it is right.

A file whose size or time is no longer what the layout was made from voids the layout.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable, LayoutChanged
from workers.archive.client import ArchiveClient
from workers.files.hashes import Hashes, Hashing, mismatch
from workers.files.volume import StagedFileGone, Volume
from workers.runtime.lease import Lease
from workers.staging.file_actions import FileSpec
from workers.staging.file_sink import BUFFER, Receiver, write

TRIES = 3
RESUMES = 5
RESUMED_FROM = 8 << 20  # bytes; a body that ends earlier is read again from its start

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failing:
    """It may work later."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It never will."""

    reason: str


Outcome = Hashes | Failing | Refused


class Puller:
    """Everything it does for a file is done when it returns."""

    def __init__(self, archive: ArchiveClient, volume: Volume, lease: Lease) -> None:
        self._archive = archive
        self._volume = volume
        self._lease = lease

    def fetch(self, wanted: Iterable[FileSpec]) -> Generator[tuple[FileSpec, bytes | Failing | Refused], None, None]:
        """The bytes of small files, as the archive sends them, in any order."""
        by_id = {want.archive_id: want for want in wanted}
        sizes = {name: want.size for name, want in by_id.items()}
        with closing(self._archive.contents(sizes, self._lease.check)) as contents:
            for archive_id, content in contents:
                if isinstance(content, bytes):
                    yield by_id[archive_id], content
                else:
                    kind = Refused if isinstance(content, ArchiveRefused) else Failing
                    yield by_id[archive_id], kind(content.message)

    def store(self, fetched: tuple[FileSpec, bytes | Failing | Refused]) -> tuple[FileSpec, Outcome | None]:
        """Put a fetched file in place. None where it is not right: `pull` has the patience for that. Raises OSError."""
        want, content = fetched
        if not isinstance(content, bytes):
            return want, content
        hashing = Hashing(want)
        hashing.update(content)
        hashes = hashing.hashes()
        if len(content) != want.size or mismatch(want, hashes):
            return want, None
        with self._volume.writing(want.archive_id, self._lease.owner, want.size) as descriptor:
            write(descriptor, memoryview(content))
        self._keep(want)
        return want, hashes

    def pull(self, want: FileSpec, tries: int = TRIES) -> tuple[FileSpec, Outcome]:
        """Pull a file and put it in place; the hashes now known of it, or why it is not there.

        A hash that is wrong as often as `tries` is believed. Raises LayoutChanged, LeaseLost, HandBack, OSError (ENOSPC
        where the volume is full).
        """
        wrong = ""
        try:
            for _ in range(tries):
                hashes = self._pull_once(want)
                wrong = mismatch(want, hashes)
                if not wrong:
                    self._keep(want)
                    return want, hashes
                self._volume.discard(want.archive_id, self._lease.owner)
            self._check_unchanged(want)
        except ArchiveRefused as error:
            return want, Refused(error.message)
        except ArchiveUnavailable as error:
            return want, Failing(error.message)
        return want, Refused(wrong)

    def verify(self, want: FileSpec) -> tuple[FileSpec, Outcome]:
        """Compute the hashes of a file that is staged; one that does not match is pulled anew once."""
        hashing = Hashing(want)
        try:
            descriptor = self._volume.open(want.archive_id, want.size, want.mtime_ns)
        except StagedFileGone:
            return self.pull(want)
        try:
            while block := os.read(descriptor, BUFFER):
                self._lease.check()
                hashing.update(block)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return self.pull(want)  # pulled anew, it lies on other blocks
        finally:
            os.close(descriptor)
        hashes = hashing.hashes()
        return self.pull(want) if mismatch(want, hashes) else (want, hashes)

    def _pull_once(self, want: FileSpec) -> Hashes:
        hashing = Hashing(want)
        with self._volume.writing(want.archive_id, self._lease.owner, want.size) as descriptor:
            got = self._receive(want, descriptor, hashing)
            if got != want.size:
                self._check_unchanged(want)
                raise ArchiveUnavailable(f"the archive sent {got} of {want.size} bytes")
        return hashing.hashes()

    def _receive(self, want: FileSpec, descriptor: int, hashing: Hashing) -> int:
        """Bytes received; a body that broke off late goes on where it ended, which the whole hash then proves right."""
        got = 0
        for resumes_left in reversed(range(RESUMES + 1)):
            before = got
            into = Receiver(descriptor, hashing, want.size - got)
            try:
                stop = want.size if got else None
                self._archive.read(want.archive_id, into.take, self._lease.check, start=got, stop=stop)
            except ArchiveUnavailable:
                got += into.finish()
                if not resumes_left or not _worth_resuming(want, got - before):
                    raise
                log.info("%s broke off at %d of %d bytes", want.archive_id, got, want.size)
            else:
                got += into.finish()
                if got >= want.size or not _worth_resuming(want, got - before):
                    return got
        return got

    def _keep(self, want: FileSpec) -> None:
        try:
            self._volume.keep(want.archive_id, self._lease.owner, want.mtime_ns)
        except OSError:
            self._volume.discard(want.archive_id, self._lease.owner)
            raise

    def _check_unchanged(self, want: FileSpec) -> None:
        """Raise LayoutChanged when the archive's file is not the one of the layout any more."""
        status = self._archive.status(want.archive_id, self._lease.check)
        if (status.size, status.mtime_ns) != (want.size, want.mtime_ns):
            raise LayoutChanged


def _worth_resuming(want: FileSpec, received: int) -> bool:
    return received >= RESUMED_FROM and bool(want.hashes)
