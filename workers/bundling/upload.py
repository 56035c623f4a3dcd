"""Uploads a staged window: as its own parts of the bundle, or as a whole small bundle.

The store's list of parts is the resume point: after a crash, only missing parts are uploaded. Each part is declared
with a checksum derived from the verified files, so the store rejects bytes that have changed on the volume since.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, cast

from chalicelib.aws.bundle_store import BundleStore, ObjectMissing, key_of
from chalicelib.errors import LayoutChanged
from chalicelib.metrics import definitions as metrics
from chalicelib.metrics.counting import counts
from workers.bundling.part_checksums import PartChecksum, PartRange, check_cut_files, part_checksum, part_ranges
from workers.bundling.part_file import PartFile
from workers.bundling.upload_progress import UploadProgress, UploadRecorder
from workers.bundling.window_runs import WindowRuns
from workers.files import crc64nvme
from workers.files.file_spec import FileSpec
from workers.files.volume import StagedFileGone, Volume
from workers.runtime.lease import Lease
from workers.runtime.parallel import parallel_map
from workers.staging.window_work import WindowWork
from workers.tar.layout import Run

LISTED = 1000  # parts in one answer of the store
BLOCK = 1 << 20  # bytes
UPLOAD_LOST = "the store has lost its upload"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle in the store: bytes, ETag, and the full-object checksum as `crc64nvme=<base64>`."""

    size: int
    etag: str
    checksum: str


@dataclass(frozen=True)
class UploadPools:
    """Threads that send, while the job counts. `put` is separate: a small bundle must not wait for large parts."""

    parts: Executor
    put: Executor


class WindowUploader:
    def __init__(
        self,
        bundles: BundleStore,
        runs: WindowRuns,
        volume: Volume,
        recorder: UploadRecorder,
        pools: UploadPools,
        concurrency: int,
    ) -> None:
        """`concurrency`: parts of one window in flight at once."""
        self._bundles = bundles
        self._runs = runs
        self._volume = volume
        self._recorder = recorder
        self._pools = pools
        self._concurrency = concurrency

    def put(self, lease: Lease, work: WindowWork) -> Bundle:
        """Store the bundle that consists of this one staged window. Raises as `upload`."""
        try:
            run, progress = self._runs.run_of(work), self._recorder.begin(lease, work)
            send = partial(self._put, work, run, progress)
            (bundle,) = parallel_map(self._pools.put, send, [PartRange(1, 0, run.length)], 1, progress.tick_during_put)
        except Exception:
            self._recorder.record_staged(lease, work)
            raise
        return bundle

    def upload(self, lease: Lease, work: WindowWork) -> int:
        """Store a staged window's parts; return the checksum of its bytes.

        Raises StagedFileGone, ChecksumMismatch or FilesChanged if a file is no longer what was staged, and
        StoreUnavailable, LayoutChanged and SumsUnknown.
        """
        run, parts = self._runs.run_of(work), part_ranges(work)
        stored, progress = self._stored_parts(lease, work, len(parts)), self._recorder.begin(lease, work)
        send = partial(self._send, work, run, stored, progress)
        try:
            sent = dict(parallel_map(self._pools.parts, send, parts, self._concurrency, progress.tick))
        except ObjectMissing as error:
            raise LayoutChanged(UPLOAD_LOST) from error
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

    def _stored_parts(self, lease: Lease, work: WindowWork, count: int) -> set[tuple[int, int]]:
        """(number, length) of those of the window's `count` parts that the store has."""
        key, before = key_of(work.cart.id, work.cart.attempt), work.window.first_part - 1
        try:
            with lease.calling_store():
                listed = self._bundles.parts(key, work.cart.upload_id, before, min(LISTED, count))
        except ObjectMissing as error:
            raise LayoutChanged(UPLOAD_LOST) from error
        return {(part.number, part.size) for part in listed}

    def _put(self, work: WindowWork, run: Run, progress: UploadProgress, whole: PartRange) -> Bundle:
        key, value = key_of(work.cart.id, work.cart.attempt), part_checksum(work, run, whole, self._volume).value
        with self._sending(work, run, whole, progress) as body, body.reporting_missing_files():
            etag = self._bundles.put(key, cast(IO[bytes], body), run.length, crc64nvme.to_header(value))
        counts.add(metrics.UPLOADED, by=run.length)
        return Bundle(run.length, etag, named_checksum(value))

    def _send(
        self, work: WindowWork, run: Run, stored: set[tuple[int, int]], progress: UploadProgress, part: PartRange
    ) -> tuple[int, PartChecksum]:
        """Upload a part unless the store has it; return its number and checksum."""
        cart, checksum = work.cart, part_checksum(work, run, part, self._volume)
        if (part.number, part.length) not in stored:
            key, declared = key_of(cart.id, cart.attempt), crc64nvme.to_header(checksum.value)
            with self._sending(work, run, part, progress) as body, body.reporting_missing_files():
                file = cast(IO[bytes], body)
                self._bundles.upload(key, cart.upload_id, part.number, file, part.length, declared)
            counts.add(metrics.UPLOADED, by=part.length)
        progress.sent(part.number, part.length)
        return part.number, checksum

    @contextmanager
    def _sending(self, work: WindowWork, run: Run, part: PartRange, progress: UploadProgress) -> Iterator[PartFile]:
        """The part as a file. What the store's client reads of it has moved."""
        with progress.storing() as moved:

            def reached(size: int) -> None:
                moved()
                progress.sent(part.number, size)

            with PartFile(run, work, self._volume, part.start, part.stop, reached) as file:
                yield file


def named_checksum(value: int) -> str:
    return f"{crc64nvme.NAME}={crc64nvme.to_header(value)}"
