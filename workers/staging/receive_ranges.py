"""Receives one very large file as several ranges at once, where one connection would be the bottleneck.

Ranges are written at their offsets, and hashed in order behind them, from the page cache. None begins further ahead
than a partial file allows, so the part before its first gap is known from its size alone.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import closing

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from workers.archive.client import ArchiveClient
from workers.files.file_spec import FileSpec
from workers.files.hashes import Hashing
from workers.files.partial_files import AHEAD
from workers.runtime.lease import Lease
from workers.staging.file_sink import BLOCK
from workers.staging.landing import Landing
from workers.staging.receive import RESUMES

AT_ONCE = 4
RANGE = AHEAD // AT_ONCE  # bytes

Range = tuple[int, int]

log = logging.getLogger(__name__)


class RangesIgnored(Exception):
    """The archive sent more than the range that it was asked for."""


class RangesReceiver:
    """Receives under one lease."""

    def __init__(self, archive: ArchiveClient, lease: Lease, landing: Landing) -> None:
        self._archive = archive
        self._lease = lease
        self._landing = landing

    def receive(self, spec: FileSpec, descriptor: int, hashing: Hashing, have: int) -> None:
        """Write and hash all of the file behind its first `have` bytes.

        Raises ArchiveUnavailable, ArchiveRefused, RangesIgnored, OSError.
        """
        file = _RangedFile(descriptor, hashing, have, spec.size)

        def take(of: Range, block: memoryview) -> None:
            file.take(of, block)
            self._landing.landed(spec.archive_id, file.received)

        failures = 0  # in a row
        with closing(self._archive.ranges(spec.archive_id, file.wanted(), take, self._lease.check)) as answers:
            for of, error in answers:
                failure = file.ended(of, error)
                failures = failures + 1 if failure is not None else 0
                if failure is not None and (failures > RESUMES or isinstance(failure, ArchiveRefused)):
                    raise failure
        while file.hash_more(BLOCK):
            self._lease.check()


class _RangedFile:
    """A file that is written at several places. `received`: bytes in all, with those that were there at first."""

    def __init__(self, descriptor: int, hashing: Hashing, have: int, size: int) -> None:
        self._descriptor = descriptor
        self._hashing = hashing
        self._size = size
        self._have = have
        self._hashed = have
        self._next = have  # where the next range begins
        self._written: dict[int, int] = {}  # stop of a range that has begun -> how far it is written
        self._again: list[Range] = []
        self.received = have

    def wanted(self) -> Iterator[Range | None]:
        """The ranges to ask for; None while others have to come first."""
        while self._again or self._next < self._size or self._first_missing() < self._size:
            stop = self._stop_after(self._next)
            if self._again:
                yield self._again.pop()
            elif self._next < self._size and stop - self._first_missing() <= AT_ONCE * RANGE:
                self._written[stop], start = self._next, self._next
                self._next = stop
                yield start, stop
            else:
                yield None
            self._written = {stop: at for stop, at in self._written.items() if at < stop or stop > self._hashed}

    def take(self, of: Range, block: memoryview) -> None:
        at, stop = self._written[of[1]], of[1]
        if at + len(block) > stop:
            raise RangesIgnored
        _write_all(self._descriptor, block, at)
        self._written[stop] = at + len(block)
        self.received += len(block)
        if at == self._hashed:
            self._hashing.update(block)
            self._hashed += len(block)
        else:
            self.hash_more(2 * len(block))

    def ended(self, of: Range, error: ArchiveUnavailable | ArchiveRefused | None) -> Exception | None:
        """Note that no more comes of a range, and have the rest of it asked for; return why there is a rest, if any."""
        stop = of[1]
        at = self._written.get(stop, stop)
        if at == stop:
            return None
        log.info("a range ended at %d, %d bytes early: asking for the rest", at, stop - at)
        self._again.append((at, stop))
        return error or ArchiveUnavailable("the archive sent less than it was asked for")

    def hash_more(self, most: int) -> int:
        """Hash up to `most` bytes that are there in order; return how many."""
        before = self._hashed
        while (size := min(BLOCK, self._in_order() - self._hashed, before + most - self._hashed)) > 0:
            block = os.pread(self._descriptor, size, self._hashed)
            if not block:
                break
            self._hashing.update(block)
            self._hashed += len(block)
        return self._hashed - before

    def _in_order(self) -> int:
        """How far what is hashed could be continued within its range."""
        return self._written.get(self._stop_after(self._hashed), self._hashed)

    def _first_missing(self) -> int:
        return min((at for stop, at in self._written.items() if at < stop), default=self._next)

    def _stop_after(self, at: int) -> int:
        """The stop of the range that contains this byte."""
        return min(self._size, self._have + ((at - self._have) // RANGE + 1) * RANGE)


def _write_all(descriptor: int, block: memoryview, at: int) -> None:
    while block:
        written = os.pwrite(descriptor, block, at)
        block, at = block[written:], at + written
