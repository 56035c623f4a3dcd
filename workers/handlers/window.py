"""The job of one window: reserve, stage, upload its parts, release; the last one of a cart completes the bundle."""

from __future__ import annotations

import errno

from chalicelib.aws.bundle_store import ChecksumMismatch, key_of
from chalicelib.errors import CartNotFound, LayoutChanged, LeaseLost, Retry
from chalicelib.stores.carts import Cart, CartState
from chalicelib.stores.jobs import Job
from workers.bundling.plan_windows import WindowPlanner
from workers.bundling.upload import Bundle, Bundler, FilesChanged
from workers.files import crc64nvme
from workers.files.volume import StagedFileGone
from workers.runtime.lease import Lease
from workers.staging.file_actions import FileSpec, pulled_by_another
from workers.staging.parts import Parts, WindowWork
from workers.staging.reserve import Reserver
from workers.staging.stage import Stager
from workers.stores.windows import DONE, RESERVED, STAGED, TAKEN

UNREADABLE = 2.0  # seconds until a file that could not be read is staged again: a disk may fail for longer


class WindowJob:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._reserver = Reserver(parts)
        self._stager = Stager(parts)
        self._bundler = Bundler(parts)
        self._handout = WindowPlanner(parts)

    def load(self, job: Job) -> WindowWork:
        """Raises LeaseLost when the job's window is no more."""
        cart = self._parts.carts.get(job.cart_id)
        window = self._parts.windows.get(job.cart_id, job.window)
        if window is None:
            raise LeaseLost
        return WindowWork(cart, window, self._parts.entries.page(cart.id, window.first, window.files))

    def run(self, lease: Lease, work: WindowWork) -> None:
        if work.window.state == DONE:
            last = self._parts.jobs.fenced(lease.job, lambda: self._parts.carts.all_windows_done(work.cart))
            self._go_on(lease, work.cart, last)
            return
        if work.window.state != STAGED:
            self._stage(lease, work)
        lease.check()
        self._upload(lease, work)

    def _stage(self, lease: Lease, work: WindowWork) -> None:
        todo = self._reserver.reserve(lease, work)
        try:
            self._stager.stage(lease, work, todo)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self._give_space_back(lease, work)
            raise

    def _upload(self, lease: Lease, work: WindowWork) -> None:
        try:
            if not work.cart.upload_id:
                self._end(lease, work.cart, self._bundler.put(work), work)
            else:
                self._count(lease, work, self._bundler.upload(lease, work))
        except StagedFileGone as error:
            missing = self._missing(work)
            self._restage(lease, work, missing or [work.wanted()[error.archive_id]])
            if not missing:
                raise Retry(UNREADABLE, f"{error.archive_id} cannot be read from the volume") from error
            raise Retry(0, f"{error.archive_id} is not on the volume any more") from error
        except ChecksumMismatch as error:
            self._restage(lease, work, self._changed(work))
            raise Retry(0, "files on the volume are not what was verified") from error
        except FilesChanged as error:
            self._restage(lease, work, [work.wanted()[archive_id] for archive_id in error.archive_ids])
            raise LayoutChanged from error  # the upload has to begin anew
        self._reserver.call_waiting()

    def _end(self, lease: Lease, cart: Cart, bundle: Bundle, work: WindowWork | None = None) -> None:
        """The bundle is in the store; `work` is the window that goes with it, where it is not done yet."""

        def write() -> None:
            if work is not None:
                self._release(work)
            if not self._parts.carts.ready(cart, bundle.size, bundle.etag, bundle.checksum):
                raise LeaseLost

        try:
            self._parts.jobs.finish(lease.job, write)
        except LeaseLost:
            self._take_back(cart)
            raise

    def _take_back(self, cart: Cart) -> None:
        """Remove the bundle of a cart that is gone: its clean-up may be over if this worker stood still for long."""
        try:
            now = self._parts.carts.get(cart.id)
        except CartNotFound:
            now = None
        if (
            now is None
            or now.live is None
            or now.attempt != cart.attempt
            or now.state in (CartState.ERROR, CartState.EXPIRED)
        ):
            self._parts.bundles.delete(key_of(cart.id, cart.attempt), "")

    def _count(self, lease: Lease, work: WindowWork, value: int) -> None:
        def write() -> bool:
            self._release(work, checksum=crc64nvme.to_hex(value))
            return self._parts.carts.window_done(work.cart, work.window.length)

        self._go_on(lease, work.cart, last=self._parts.jobs.progressed(lease.job, write))

    def _go_on(self, lease: Lease, cart: Cart, last: bool) -> None:
        """After the cart's last window complete its bundle; after any other hand out one more."""
        if last:
            self._end(lease, cart, self._bundler.complete(cart))
            return
        hints = self._parts.jobs.finish(lease.job, lambda: self._handout.next_windows(cart.id, 1))
        self._parts.queue.send(hints)

    def _release(self, work: WindowWork, **values: str) -> None:
        if not self._parts.windows.move(work.cart.id, work.window.number, (STAGED, RESERVED), DONE, **values):
            raise LeaseLost
        self._reserver.release(work)

    def _missing(self, work: WindowWork) -> list[FileSpec]:
        has = self._parts.volume.has
        return [want for want in work.wanted().values() if not has(want.archive_id, want.size, want.mtime_ns)]

    def _changed(self, work: WindowWork) -> list[FileSpec]:
        """Files whose bytes are not those that were verified, by reading them all; or else all of them."""
        wanted = work.wanted().values()
        differing = [want for want in wanted if self._bundler.reads(want) != work.checksums[want.archive_id]]
        return differing or list(wanted)

    def _restage(self, lease: Lease, work: WindowWork, gone: list[FileSpec]) -> None:
        """Take files that are not as they were staged out of the catalogue, for this job to pull again."""

        def write() -> None:
            self._parts.catalogue.lock()
            known = self._parts.catalogue.known(want.archive_id for want in gone)
            ours = [want for want in gone if not pulled_by_another(lease.job.id, known.get(want.archive_id))]
            self._parts.catalogue.claim(lease.job.id, ours, known, pins=0)
            if self._parts.windows.move(work.cart.id, work.window.number, (STAGED,), RESERVED):
                self._parts.carts.window_unstaged(work.cart)

        self._parts.jobs.fenced(lease.job, write)

    def _give_space_back(self, lease: Lease, work: WindowWork) -> None:
        """The volume is fuller than the account says: let the reservation be made again, by what is really there."""

        def write() -> None:
            self._parts.catalogue.lock()
            if self._parts.windows.move(work.cart.id, work.window.number, (RESERVED,), TAKEN):
                self._reserver.release(work)
                self._parts.catalogue.forget_unstaged(work.wanted(), self._parts.volume.evict)

        self._parts.jobs.fenced(lease.job, write)
