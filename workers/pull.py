"""One file from the archive onto the volume: hashed while it is written, in place only when it is right.

A wrong hash is believed after two more pulls. A file whose size or time is no longer what the layout was made from
voids the layout.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable, LayoutChanged
from workers import checksum
from workers.archive import Archive
from workers.lease import Lease
from workers.sorting import Wanted
from workers.volume import StagedFileGone, Volume

TRIES = 3
RESUMES = 5
RESUMED_FROM = 8 << 20  # bytes; a body that ends earlier is read again from its start
BUFFER = 256 << 10
UNVERIFIED = "sha256"  # what is computed where the manifest names no hash

Block = bytes | memoryview
Hashes = dict[str, str]


class Hasher(Protocol):
    def update(self, block: Block, /) -> None: ...
    def hexdigest(self) -> str: ...


log = logging.getLogger(__name__)
_buffers = threading.local()


@dataclass(frozen=True, slots=True)
class Failing:
    """It may work later."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It never will."""

    reason: str


class Puller:
    """Runs on the threads of the pool; everything it does for a file is done when it returns."""

    def __init__(self, archive: Archive, volume: Volume, lease: Lease) -> None:
        self._archive = archive
        self._volume = volume
        self._lease = lease

    def pull(self, want: Wanted) -> tuple[Wanted, Hashes | Failing | Refused]:
        """Pull a file and put it in place; the hashes now known of it, or why it is not there.

        Raises LayoutChanged, LeaseLost, HandBack, OSError (ENOSPC where the volume is full).
        """
        wrong = ""
        try:
            for _ in range(TRIES):
                hashes = self._pull_once(want)
                wrong = _mismatch(want, hashes)
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

    def verify(self, want: Wanted) -> tuple[Wanted, Hashes | Failing | Refused]:
        """Compute the hashes of a file that is staged; one that does not match is pulled anew once."""
        hashers = _hashers(want)
        try:
            descriptor = self._volume.open(want.archive_id, want.size, want.mtime_ns)
        except StagedFileGone:
            return self.pull(want)
        with open(descriptor, "rb", buffering=0) as staged:
            while block := staged.read(BUFFER):
                self._lease.check()
                for hasher in hashers.values():
                    hasher.update(block)
        hashes = _digests(hashers)
        return self.pull(want) if _mismatch(want, hashes) else (want, hashes)

    def _pull_once(self, want: Wanted) -> Hashes:
        hashers = _hashers(want)
        with self._volume.writing(want.archive_id, self._lease.owner, want.size) as descriptor:
            got = self._receive(want, descriptor, hashers)
            if got != want.size:
                self._check_unchanged(want)
                raise ArchiveUnavailable(f"the archive sent {got} of {want.size} bytes")
        return _digests(hashers)

    def _receive(self, want: Wanted, descriptor: int, hashers: Mapping[str, Hasher]) -> int:
        """Bytes received; a body that broke off late goes on where it ended, which the whole hash then proves right."""
        got = 0
        for resumes_left in reversed(range(RESUMES + 1)):
            before = got
            try:
                for block in self._blocks(want, got):
                    got += len(block)
                    if got > want.size:
                        return got
                    for hasher in hashers.values():
                        hasher.update(block)
                    _write(descriptor, block)
            except ArchiveUnavailable:
                if not resumes_left or not _worth_resuming(want, got - before):
                    raise
                log.info("%s broke off at %d of %d bytes", want.archive_id, got, want.size)
            else:
                if got == want.size or not _worth_resuming(want, got - before):
                    return got
        return got

    def _blocks(self, want: Wanted, start: int) -> Iterator[memoryview]:
        """The file's bytes from `start` on, each block in the same buffer; at most one byte beyond its size."""
        view, left = _buffer(), want.size - start + 1
        with self._archive.read(want.archive_id, start=start, stop=want.size if start else None) as reader:
            while left and (read := reader.readinto(view[: min(BUFFER, left)])):
                yield view[:read]
                left -= read
                self._lease.check()

    def _keep(self, want: Wanted) -> None:
        try:
            self._volume.keep(want.archive_id, self._lease.owner, want.mtime_ns)
        except OSError:
            self._volume.discard(want.archive_id, self._lease.owner)
            raise

    def _check_unchanged(self, want: Wanted) -> None:
        """Raise LayoutChanged when the archive's file is not the one of the layout any more."""
        status = self._archive.status(want.archive_id)
        if (status.size, status.mtime_ns) != (want.size, want.mtime_ns):
            raise LayoutChanged


class _Checksum:
    """The store's checksum in the manner of hashlib."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, block: Block, /) -> None:
        self._value = checksum.update(block, self._value)

    def hexdigest(self) -> str:
        return checksum.to_hex(self._value)


def _hashers(want: Wanted) -> dict[str, Hasher]:
    names = {name for name, _ in want.hashes} or {UNVERIFIED}
    hashers: dict[str, Hasher] = {name: hashlib.new(name, usedforsecurity=False) for name in names}
    return {**hashers, checksum.NAME: _Checksum()}


def _worth_resuming(want: Wanted, received: int) -> bool:
    return received >= RESUMED_FROM and bool(want.hashes)


def _digests(hashers: Mapping[str, Hasher]) -> Hashes:
    return {name: hasher.hexdigest() for name, hasher in hashers.items()}


def _mismatch(want: Wanted, hashes: Hashes) -> str:
    """What is wrong with the hashes, or nothing."""
    for name, wanted in want.hashes:
        if hashes[name] != wanted:
            return f"its {name} is {hashes[name]}, the manifest says {wanted}"
    return ""


def _buffer() -> memoryview:
    """This thread's one buffer."""
    if not hasattr(_buffers, "view"):
        _buffers.view = memoryview(bytearray(BUFFER))
    view: memoryview = _buffers.view
    return view


def _write(descriptor: int, block: memoryview) -> None:
    while block:
        block = block[os.write(descriptor, block) :]
