"""The bytes of one window into the store, as its own parts, and the bundle completed.

Nothing is assembled: a part is a seekable view of the layout over the staged files. The store's list of parts is the
resume point, so after a crash only what is missing is uploaded. Every part is declared by a checksum that comes from
the files as they were verified, so the store refuses bytes that changed since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import IO, cast

from chalicelib.aws.bundle_store import BundleStore, ObjectMissing, Part, key_of
from chalicelib.errors import LayoutChanged
from chalicelib.stores.carts import Cart
from workers.bundling.part_file import PartView
from workers.bundling.plan_windows import member_of
from workers.files import crc64nvme
from workers.files.volume import StagedFileGone
from workers.runtime.lease import Lease
from workers.runtime.parallel import each
from workers.staging.file_actions import FileSpec
from workers.staging.parts import Parts, WindowWork
from workers.tar.layout import Run, Span, end_length, split

LISTED = 1000  # parts in one answer of the store
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Slice:
    """A part: its number and the bytes of the window's run it is."""

    number: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class PartSum:
    """A part's crc64nvme, and those of the files it cuts: (index of the entry, crc64nvme, bytes) of what lies in it."""

    value: int
    cuts: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle in the store: bytes, ETag and full-object crc64nvme."""

    size: int
    etag: str
    checksum: str


class FilesChanged(Exception):
    """Files whose bytes on the volume were not those that were verified, but are in stored parts already."""

    def __init__(self, archive_ids: set[str]) -> None:
        super().__init__(archive_ids)
        self.archive_ids = archive_ids


class Bundler:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def put(self, work: WindowWork) -> Bundle:
        """Store the bundle that is this one staged window. Raises as `upload`."""
        run, key = self._run(work), key_of(work.cart.id, work.cart.attempt)
        value = self._sum(work, run, Slice(1, 0, run.length)).value
        with self._view(work, run, 0, run.length) as body, body.telling_what_is_gone():
            etag = self._parts.bundles.put(key, cast(IO[bytes], body), run.length, crc64nvme.to_header(value))
        return Bundle(run.length, etag, _named(value))

    def upload(self, lease: Lease, work: WindowWork) -> int:
        """Store a staged window's parts; the checksum of its bytes.

        Raises StagedFileGone, BytesDiffer or FilesChanged where a file is no longer what was staged, StoreUnavailable,
        LayoutChanged.
        """
        run, slices = self._run(work), _slices(work)
        there = self._there(work, len(slices))
        most = self._parts.settings.upload_concurrency
        send = partial(self._send, work, run, there)
        sums: dict[int, PartSum] = {}
        try:
            for number, found in each(self._parts.upload_pool, send, slices, most, lease.check):
                sums[number] = found
        except ObjectMissing as error:
            raise LayoutChanged from error
        _check_cut_files(work, [sums[part.number] for part in slices])
        return _all((sums[part.number].value, part.length) for part in slices)

    def complete(self, cart: Cart) -> Bundle:
        """Make the bundle of all parts. Safe to repeat. Raises LayoutChanged when the upload is lost."""
        key = key_of(cart.id, cart.attempt)
        value = _all(self._parts.windows.checksums(cart.id))
        try:
            parts = list(_all_parts(self._parts.bundles, key, cart.upload_id))
        except ObjectMissing:
            parts = []  # completed before, or aborted
        if parts and sum(part.size for part in parts) != cart.bundle_size:
            raise LayoutChanged
        if parts:
            stored = self._parts.bundles.complete(key, cart.upload_id, parts, crc64nvme.to_header(value))
        else:
            stored = self._parts.bundles.find(key)
        if stored is None or stored.size != cart.bundle_size:
            raise LayoutChanged
        return Bundle(stored.size, stored.etag, _named(value))

    def reads(self, want: FileSpec) -> int:
        """The checksum of a staged file as it lies on the volume now; -1 when it does not, or cannot be read."""
        try:
            descriptor = self._parts.volume.open(want.archive_id, want.size, want.mtime_ns)
        except StagedFileGone:
            return -1
        value = 0
        with open(descriptor, "rb", buffering=0) as staged, suppress(OSError):
            while block := staged.read(BLOCK):
                value = crc64nvme.update(block, value)
            return value
        return -1

    def _run(self, work: WindowWork) -> Run:
        """The window's layout. Files that were staged by an earlier holder of the job have their checksums read."""
        missing = {entry.archive_id for entry in work.entries} - work.checksums.keys()
        for archive_id, known in self._parts.catalogue.known(missing).items() if missing else ():
            work.learn(archive_id, known.hashes)
        members = [member_of(work.cart, entry) for entry in work.entries]
        last = work.window.number == work.cart.windows_total - 1
        bare = Run(members)
        ahead = work.cart.bundle_size - work.window.length
        run = Run(members, tail=end_length(ahead + bare.length)) if last else bare
        if run.length != work.window.length:
            raise LayoutChanged
        return run

    def _there(self, work: WindowWork, most: int) -> set[tuple[int, int]]:
        """Number and length of those of the window's parts that the store has."""
        cart, before = work.cart, work.window.first_part - 1
        try:
            listed = self._parts.bundles.parts(key_of(cart.id, cart.attempt), cart.upload_id, before, min(LISTED, most))
        except ObjectMissing as error:
            raise LayoutChanged from error
        return {(part.number, part.size) for part in listed}

    def _send(self, work: WindowWork, run: Run, there: set[tuple[int, int]], part: Slice) -> tuple[int, PartSum]:
        """Upload a part unless it is there; its number and crc64nvme."""
        cart, found = work.cart, self._sum(work, run, part)
        if (part.number, part.length) not in there:
            declared = crc64nvme.to_header(found.value)
            with self._view(work, run, part.start, part.start + part.length) as body, body.telling_what_is_gone():
                key, file = key_of(cart.id, cart.attempt), cast(IO[bytes], body)
                self._parts.bundles.upload(key, cart.upload_id, part.number, file, part.length, declared)
        return part.number, found

    def _view(self, work: WindowWork, run: Run, start: int, stop: int) -> PartView:
        return PartView(run, work, self._parts.volume, start, stop)

    def _sum(self, work: WindowWork, run: Run, part: Slice) -> PartSum:
        """Of a part, without reading files that lie in it whole: theirs is known."""
        value, at, cuts = 0, part.start, []
        for piece in run.pieces(part.start, part.start + part.length):
            length = piece.length if isinstance(piece, Span) else len(piece)
            if not isinstance(piece, Span):
                value = crc64nvme.update(piece, value)
            elif length == work.entries[piece.index].size:
                value = crc64nvme.combine(value, work.checksums[work.entries[piece.index].archive_id], length)
            else:
                one = self._read(work, run, at, length)
                cuts.append((piece.index, one, length))
                value = crc64nvme.combine(value, one, length)
            at += length
        return PartSum(value, tuple(cuts))

    def _read(self, work: WindowWork, run: Run, start: int, length: int) -> int:
        """The checksum of bytes of the run, by reading them."""
        value, buffer = 0, memoryview(bytearray(BLOCK))
        with self._view(work, run, start, start + length) as view:
            while got := view.readinto(buffer):
                value = crc64nvme.update(buffer[:got], value)
        return value


def _slices(work: WindowWork) -> list[Slice]:
    sizes = split(work.window.length, work.cart.part_size)
    starts = accumulate(sizes[:-1], initial=0)
    return [
        Slice(work.window.first_part + index, start, size)
        for index, (start, size) in enumerate(zip(starts, sizes, strict=True))
    ]


def _check_cut_files(work: WindowWork, sums: Iterable[PartSum]) -> None:
    """Raise FilesChanged when a file that was sent in several parts is not the one that was verified."""
    whole: dict[int, int] = {}
    for found in sums:
        for index, value, length in found.cuts:
            whole[index] = crc64nvme.combine(whole.get(index, 0), value, length)
    names = {index: work.entries[index].archive_id for index in whole}
    changed = {names[index] for index, value in whole.items() if work.checksums[names[index]] != value}
    if changed:
        raise FilesChanged(changed)


def _all(runs: Iterable[tuple[int, int]]) -> int:
    """The checksum of runs of bytes one after the other, each given by its own and its length."""
    value = 0
    for one, length in runs:
        value = crc64nvme.combine(value, one, length)
    return value


def _named(value: int) -> str:
    return f"{crc64nvme.NAME}={crc64nvme.to_header(value)}"


def _all_parts(bundles: BundleStore, key: str, upload_id: str) -> Iterator[Part]:
    after = 0
    while listed := bundles.parts(key, upload_id, after, LISTED):
        yield from listed
        after = listed[-1].number
