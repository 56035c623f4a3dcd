"""What a worker is made of, on doubles, with carts to work on: the site of the unit tests."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from chalicelib.aws.bundle_store import key_of
from chalicelib.db.states import WindowState
from chalicelib.manifest.reader import Entry
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.job_row import JobKind
from chalicelib.stores.manifest_row import ManifestRow
from tests.doubles.archive import MTIME_NS
from tests.doubles.worker_parts import PART_SIZE, WorkerParts
from tests.doubles.world import LEASE
from workers.bundling.part_limits import split_window
from workers.runtime.lease import Lease
from workers.staging.file_actions import FileActions
from workers.staging.layout_input import member_of
from workers.staging.window_work import WindowWork
from workers.stores.windows import Window
from workers.tar.headers import end_length, member_length


@dataclass
class MemorySite(WorkerParts):
    """`lay_out`, `reserve` and `stage` take a cart to where a test begins."""

    # What tests set up.

    def post(self, uid: str, files: Mapping[str, bytes], media: str = "disk") -> Cart:
        """A new cart of these files, by archive id, each with its SHA-1; the archive has them."""
        for name, content in files.items():
            self.archive.put(name, content, cast(Any, media))
        entries = [
            Entry(name, name, "sha1", hashlib.sha1(content).hexdigest(), int(number == 0))
            for number, (name, content) in enumerate(files.items())
        ]

        def write() -> int:
            cart_id = self.world.carts.insert("", uid, ManifestRow(uid, "d" * 64, len(entries)))
            self.world.entries.add(cart_id, 0, entries)
            return cart_id

        return self.cart(self.database.transaction(write))

    def lay_out(self, uid: str, *windows: Mapping[str, bytes]) -> Cart:
        """A staging cart of these windows, all taken. A cart of one window has no multipart upload."""
        files = {name: content for window in windows for name, content in window.items()}
        cart = self.post(uid, files)
        self.world.carts.begin_staging(cart.id)
        lengths, first, part = self._record_metadata(cart), 0, 1
        rows = []
        tail = end_length(sum(lengths))
        for number, window in enumerate(windows):
            length = sum(lengths[first : first + len(window)]) + (tail if number == len(windows) - 1 else 0)
            rows.append(Window(number, first, len(window), length, part, WindowState.TAKEN))
            first, part = first + len(window), part + len(split_window(length, PART_SIZE))
        layout = {
            "part_size": PART_SIZE,
            "bytes_total": sum(map(len, files.values())),
            "windows_total": len(rows),
            "bundle_size": sum(lengths) + tail,
            "upload_id": self.bundles.begin_upload(key_of(cart.id, 1)) if len(rows) > 1 else "",
        }
        self.database.transaction(lambda: self.world.carts.record_layout(cart, **layout))
        self.database.transaction(lambda: self.world.windows.insert(cart.id, rows))
        return self.cart(cart.id)

    def lease(self, cart: Cart, kind: str = JobKind.WINDOW, window: int = 0) -> Lease:
        """The lease of a new job of the cart."""
        return Lease(self.world.claimed(cart.id, kind, window), "receipt", self.stopping)

    def work(self, cart: Cart, window: int = 0) -> WindowWork:
        """A window as its job reads it now."""
        row = self.world.windows.get(cart.id, window)
        assert row is not None
        return WindowWork(self.cart(cart.id), row, self.world.entries.page(cart.id, row.first, row.files))

    def reserve(self, cart: Cart, window: int = 0) -> tuple[Lease, WindowWork, FileActions]:
        """A window with its space reserved, its lease, and what is to be done for its files."""
        lease, work = self.lease(cart, JobKind.WINDOW, window), self.work(cart, window)
        actions = self.reserver.reserve(lease, work)
        assert isinstance(actions, FileActions), actions
        return lease, self.work(cart, window), actions

    def stage(self, cart: Cart, window: int = 0) -> tuple[Lease, WindowWork]:
        """A window with its files staged, and its lease."""
        lease, work, actions = self.reserve(cart, window)
        assert self.stager.stage(lease, work, actions) is None
        return lease, self.work(cart, window)

    def _record_metadata(self, cart: Cart) -> list[int]:
        """Record what a recall would have found out; the lengths of the cart's members."""
        entries = self.world.entries.page(cart.id, 0, cart.files_total)
        for entry in entries:
            entry.size, entry.mtime_ns = len(self.archive.files[entry.archive_id].content), MTIME_NS
        self.database.transaction(lambda: self.world.entries.record_found(entries))
        return [member_length(member_of(cart, entry)) for entry in entries]

    # What tests look at.

    def cart(self, cart_id: int) -> Cart:
        return self.world.carts.get(cart_id)

    def used(self) -> tuple[int, int]:
        """Bytes of the space account: charged, and staged."""
        row = self.database.tables.volume[1]
        return row.used, row.staged

    def pins(self) -> dict[str, int]:
        return {name: row.file.pins for name, row in self.database.tables.staged_files.items()}

    def on_volume(self) -> set[str]:
        """The archive files that lie on the volume."""
        return {name for name in self.archive.files if self.volume.path(name).exists()}

    def bundle_members(self, cart: Cart) -> dict[str, bytes]:
        """The files of the cart's bundle: name -> content."""
        bundle = self.bundles.objects[key_of(cart.id, self.cart(cart.id).attempt)]
        with tarfile.open(fileobj=io.BytesIO(bundle)) as tar:
            return {item.name: tar.extractfile(item).read() for item in tar if item.isfile()}  # type: ignore[union-attr]

    def state_of(self, cart: Cart, window: int = 0) -> str:
        return self.work(cart, window).window.state


def expired(lease: Lease, site: MemorySite) -> Lease:
    """The lease of another worker, that claims the job once this one's has ended."""
    site.database.advance(LEASE + 1)
    job = site.world.jobs.claim(lease.job.id, lease.job.token)
    assert job is not None
    return replace(lease, job=job, lost=threading.Event())
