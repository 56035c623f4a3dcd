"""The second half of a window's job: upload it, count it, continue with the cart.

The job that uploads a cart's last window completes the bundle; any other turns one more window into a job.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.aws.bundle_store import ChecksumMismatch
from chalicelib.db.states import WaitsFor
from chalicelib.errors import LayoutChanged
from chalicelib.job_queue import JobQueue
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.carts import CartStore
from chalicelib.stores.jobs import JobStore
from workers.bundling.part_checksums import FilesChanged
from workers.bundling.plan_windows import WindowPlanner
from workers.bundling.upload import WindowUploader
from workers.bundling.window_runs import SumsUnknown
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
NAMED = 5  # files that a message names


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
        except SumsUnknown:
            return self._restage(lease, work, [], "files of the window have to be hashed again")
        except ChecksumMismatch:
            return self._restage_changed(lease, work)
        except FilesChanged as error:
            # The stored parts hold the wrong bytes: a new upload is needed.
            specs, why = work.specs(), f"stored parts hold other bytes of {_names(sorted(error.archive_ids))}"
            self._restager.restage(lease, work, [specs[archive_id] for archive_id in error.archive_ids], why)
            raise LayoutChanged(why) from error
        self._releaser.wake_waiting()
        return outcome

    def resume(self, lease: Lease, work: WindowWork) -> Outcome:
        """Continue with the cart of a window whose upload was counted before a crash."""
        is_last = self._jobs.fenced(lease.job, lambda: self._carts.claim_completion(work.cart))
        return self._continue(lease, work.cart, is_last)

    def _put_bundle(self, lease: Lease, work: WindowWork) -> Done:
        self._finisher.finish(lease, work.cart, self._uploader.put(lease, work), work)
        return Done()

    def _upload_parts(self, lease: Lease, work: WindowWork) -> Done:
        value = self._uploader.upload(lease, work)
        left, all_bytes = work.window.length - work.window.uploaded_bytes, {"uploaded_bytes": work.window.length}

        def write() -> bool:
            checksum = crc64nvme.to_hex(value)
            self._finisher.close_window(work, checksum=checksum, **all_bytes, **_recorded_sums(work))
            is_last = self._carts.count_window_done(work.cart, left)
            self._carts.mark_progress(work.cart)
            return is_last

        return self._continue(lease, work.cart, is_last=self._jobs.progressed(lease.job, write))

    def _continue(self, lease: Lease, cart: Cart, is_last: bool) -> Done:
        if is_last:
            self._finisher.complete(lease, cart)
        else:
            self._queue.send(self._jobs.finish(lease.job, lambda: self._planner.jobs_after_window(cart)))
        return Done()

    def _restage(self, lease: Lease, work: WindowWork, specs: Sequence[FileSpec], why: str, delay: float = 0) -> Defer:
        self._restager.restage(lease, work, specs, why)
        return Defer(delay, WaitsFor.RETRY, why)

    def _restage_missing(self, lease: Lease, work: WindowWork, archive_id: str) -> Defer:
        if missing := self._restager.missing(work):
            return self._restage(lease, work, missing, f"{archive_id} is missing from the volume")
        why = f"{archive_id} cannot be read from the volume"
        return self._restage(lease, work, [work.specs()[archive_id]], why, self._unreadable_delay)

    def _restage_changed(self, lease: Lease, work: WindowWork) -> Defer:
        changed = self._changed(work)
        names = _names([spec.archive_id for spec in changed])
        return self._restage(lease, work, changed, f"files on the volume are not what was verified: {names}")

    def _changed(self, work: WindowWork) -> list[FileSpec]:
        """Re-read every file; return those whose bytes changed, or all if none did."""
        specs = list(work.specs().values())
        differing = [spec for spec in specs if self._uploader.read_checksum(spec) != work.checksums[spec.archive_id]]
        return differing or specs


def _names(archive_ids: Sequence[str]) -> str:
    """The first of these files; there may be many."""
    more = f" and {len(archive_ids) - NAMED} more" if len(archive_ids) > NAMED else ""
    return ", ".join(archive_ids[:NAMED]) + more


def _recorded_sums(work: WindowWork) -> dict[str, Any]:
    """What the bundle's checksum file, generated last, needs of this window: its files may be evicted until then."""
    if not work.cart.sums or not work.entries:
        return {}
    sums = "".join(work.sums[entry.archive_id] for entry in work.entries)
    return {"sums": sums, "sums_length": work.sums_length()}
