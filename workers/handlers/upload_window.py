"""The second half of a window's job: upload it, count it, continue with the cart.

The job that uploads a cart's last window completes the bundle; any other turns one more window into a job.
"""

from __future__ import annotations

from chalicelib.aws.bundle_store import ChecksumMismatch
from chalicelib.aws.job_queue import JobQueue
from chalicelib.errors import LayoutChanged
from chalicelib.stores.carts import Cart, CartStore
from chalicelib.stores.jobs import JobStore
from workers.bundling.part_checksums import FilesChanged
from workers.bundling.plan_windows import WindowPlanner
from workers.bundling.upload import WindowUploader
from workers.files import crc64nvme
from workers.files.file_spec import FileSpec
from workers.files.volume import StagedFileGone
from workers.handlers.finish_cart import CartFinisher
from workers.runtime.lease import Lease
from workers.runtime.outcomes import Defer, Done, Outcome
from workers.staging.release import SpaceReleaser
from workers.staging.restage import Restager
from workers.staging.window_work import WindowWork

UNREADABLE_DELAY = 2.0  # seconds until a file that could not be read is staged again: a disk may fail for longer


class WindowUpload:
    def __init__(
        self,
        jobs: JobStore,
        carts: CartStore,
        queue: JobQueue,
        planner: WindowPlanner,
        uploader: WindowUploader,
        finisher: CartFinisher,
        releaser: SpaceReleaser,
        restager: Restager,
        unreadable_delay: float = UNREADABLE_DELAY,
    ) -> None:
        self._jobs = jobs
        self._carts = carts
        self._queue = queue
        self._planner = planner
        self._uploader = uploader
        self._finisher = finisher
        self._releaser = releaser
        self._restager = restager
        self._unreadable_delay = unreadable_delay

    def run(self, lease: Lease, work: WindowWork) -> Outcome:
        """Upload a staged window. Files that are no longer what was staged are staged again first."""
        try:
            outcome = self._upload_parts(lease, work) if work.cart.upload_id else self._put_bundle(lease, work)
        except StagedFileGone as error:
            return self._restage_missing(lease, work, error.archive_id)
        except ChecksumMismatch:
            self._restager.restage(lease, work, self._changed(work))
            return Defer(0, "files on the volume are not what was verified")
        except FilesChanged as error:
            specs = work.specs()
            self._restager.restage(lease, work, [specs[archive_id] for archive_id in error.archive_ids])
            raise LayoutChanged from error  # stored parts hold the wrong bytes: a new upload is needed
        self._releaser.wake_waiting()
        return outcome

    def resume(self, lease: Lease, work: WindowWork) -> Outcome:
        """Continue with the cart of a window whose upload was counted before a crash."""
        is_last = self._jobs.fenced(lease.job, lambda: self._carts.claim_completion(work.cart))
        return self._continue(lease, work.cart, is_last)

    def _put_bundle(self, lease: Lease, work: WindowWork) -> Done:
        self._finisher.finish(lease, work.cart, self._uploader.put(work), work)
        return Done()

    def _upload_parts(self, lease: Lease, work: WindowWork) -> Done:
        value = self._uploader.upload(lease, work)

        def write() -> bool:
            self._finisher.close_window(work, checksum=crc64nvme.to_hex(value))
            return self._carts.count_window_done(work.cart, work.window.length)

        return self._continue(lease, work.cart, is_last=self._jobs.progressed(lease.job, write))

    def _continue(self, lease: Lease, cart: Cart, is_last: bool) -> Done:
        if is_last:
            self._finisher.complete(lease, cart)
        else:
            self._queue.send(self._jobs.finish(lease.job, lambda: self._planner.next_jobs(cart.id, 1)))
        return Done()

    def _restage_missing(self, lease: Lease, work: WindowWork, archive_id: str) -> Defer:
        missing = self._restager.missing(work)
        self._restager.restage(lease, work, missing or [work.specs()[archive_id]])
        if not missing:
            return Defer(self._unreadable_delay, f"{archive_id} cannot be read from the volume")
        return Defer(0, f"{archive_id} is missing from the volume")

    def _changed(self, work: WindowWork) -> list[FileSpec]:
        """Re-read every file; return those whose bytes changed, or all if none did."""
        specs = list(work.specs().values())
        differing = [s for s in specs if self._uploader.read_checksum(s) != work.checksums[s.archive_id]]
        return differing or specs
