"""Uploads a staged window: as its own parts of the bundle, or as a whole small bundle.

The store's list of parts is the resume point: after a crash, only missing parts are uploaded. Each part is declared
with a checksum derived from the verified files, so the store rejects bytes that have changed on the volume since.
"""

from __future__ import annotations

from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, cast

from chalicelib.aws.bundle_store import BundleStore, ObjectMissing, key_of
from chalicelib.errors import LayoutChanged
from workers.bundling.part_checksums import PartChecksum, PartRange, check_cut_files, part_checksum, part_ranges
from workers.bundling.part_file import PartFile
from workers.files import crc64nvme
from workers.files.file_spec import FileSpec
from workers.files.volume import StagedFileGone, Volume
from workers.runtime.lease import Lease
from workers.runtime.parallel import parallel_map
from workers.staging.layout_input import member_of
from workers.staging.window_work import WindowWork
from workers.stores.staged_files import StagedFileStore
from workers.tar.headers import end_length
from workers.tar.layout import Run

LISTED = 1000  # parts in one answer of the store
BLOCK = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle in the store: bytes, ETag, and the full-object checksum as `crc64nvme=<base64>`."""

    size: int
    etag: str
    checksum: str


class WindowUploader:
    def __init__(
        self, bundles: BundleStore, staged_files: StagedFileStore, volume: Volume, pool: Executor, concurrency: int
    ) -> None:
        """`concurrency`: parts of one window in flight at once."""
        self._bundles = bundles
        self._staged_files = staged_files
        self._volume = volume
        self._pool = pool
        self._concurrency = concurrency

    def put(self, work: WindowWork) -> Bundle:
        """Store the bundle that consists of this one staged window. Raises as `upload`."""
        run, key = self._tar_run(work), key_of(work.cart.id, work.cart.attempt)
        whole = PartRange(1, 0, run.length)
        value = part_checksum(work, run, whole, self._volume).value
        with self._open(work, run, whole) as body, body.reporting_missing_files():
            etag = self._bundles.put(key, cast(IO[bytes], body), run.length, crc64nvme.to_header(value))
        return Bundle(run.length, etag, named_checksum(value))

    def upload(self, lease: Lease, work: WindowWork) -> int:
        """Store a staged window's parts; return the checksum of its bytes.

        Raises StagedFileGone, ChecksumMismatch or FilesChanged if a file is no longer what was staged, and
        StoreUnavailable and LayoutChanged.
        """
        run, parts = self._tar_run(work), part_ranges(work)
        stored = self._stored_parts(work, len(parts))
        send = partial(self._send, work, run, stored)
        try:
            sent = dict(parallel_map(self._pool, send, parts, self._concurrency, lease.check))
        except ObjectMissing as error:
            raise LayoutChanged from error
        check_cut_files(work, [sent[part.number] for part in parts])
        return crc64nvme.concatenate((sent[part.number].value, part.length) for part in parts)

    def read_checksum(self, spec: FileSpec) -> int | None:
        """The checksum of a staged file as it is on the volume now; None if it is missing or cannot be read."""
        try:
            descriptor = self._volume.open(spec.archive_id, spec.size, spec.mtime_ns)
        except StagedFileGone:
            return None
        value = 0
        with open(descriptor, "rb", buffering=0) as staged, suppress(OSError):
            while block := staged.read(BLOCK):
                value = crc64nvme.update(block, value)
            return value
        return None

    def _tar_run(self, work: WindowWork) -> Run:
        """The window's layout. Reads the checksums of files that an earlier claim of the job staged."""
        missing = {entry.archive_id for entry in work.entries} - work.checksums.keys()
        for archive_id, file in self._staged_files.find(missing).items() if missing else ():
            work.add_checksum(archive_id, file.hashes)
        members = [member_of(work.cart, entry) for entry in work.entries]
        is_last = work.window.number == work.cart.windows_total - 1
        bare = Run(members)
        ahead = work.cart.bundle_size - work.window.length
        run = Run(members, tail=end_length(ahead + bare.length)) if is_last else bare
        if run.length != work.window.length:
            raise LayoutChanged
        return run

    def _stored_parts(self, work: WindowWork, count: int) -> set[tuple[int, int]]:
        """(number, length) of those of the window's `count` parts that the store has."""
        key, before = key_of(work.cart.id, work.cart.attempt), work.window.first_part - 1
        try:
            listed = self._bundles.parts(key, work.cart.upload_id, before, min(LISTED, count))
        except ObjectMissing as error:
            raise LayoutChanged from error
        return {(part.number, part.size) for part in listed}

    def _send(
        self, work: WindowWork, run: Run, stored: set[tuple[int, int]], part: PartRange
    ) -> tuple[int, PartChecksum]:
        """Upload a part unless the store has it; return its number and checksum."""
        cart, checksum = work.cart, part_checksum(work, run, part, self._volume)
        if (part.number, part.length) not in stored:
            key, declared = key_of(cart.id, cart.attempt), crc64nvme.to_header(checksum.value)
            with self._open(work, run, part) as body, body.reporting_missing_files():
                file = cast(IO[bytes], body)
                self._bundles.upload(key, cart.upload_id, part.number, file, part.length, declared)
        return part.number, checksum

    def _open(self, work: WindowWork, run: Run, part: PartRange) -> PartFile:
        return PartFile(run, work, self._volume, part.start, part.stop)


def named_checksum(value: int) -> str:
    return f"{crc64nvme.NAME}={crc64nvme.to_header(value)}"
