"""What the handlers of a worker's jobs are made of; built in workers/__main__.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field

from chalicelib.aws.bundle_store import BundleStore
from chalicelib.aws.job_queue import JobQueue
from chalicelib.aws.manifest_uploads import UploadStore
from chalicelib.config.settings import Settings
from chalicelib.endings import CartEndings
from chalicelib.stores.carts import Cart, CartStore
from chalicelib.stores.entries import CartEntry, EntryStore
from chalicelib.stores.jobs import JobStore
from workers.archive.client import ArchiveClient
from workers.files import crc64nvme
from workers.files.volume import Volume
from workers.staging.file_actions import FileSpec
from workers.stores.recalls import RecallStore
from workers.stores.shared_ranges import ShareStore
from workers.stores.staged_files import StagedFileStore
from workers.stores.windows import Window, WindowStore


@dataclass(frozen=True)
class Parts:
    settings: Settings
    carts: CartStore
    endings: CartEndings
    entries: EntryStore
    jobs: JobStore
    windows: WindowStore
    recalls: RecallStore
    shares: ShareStore
    catalogue: StagedFileStore
    volume: Volume
    archive: ArchiveClient
    bundles: BundleStore
    uploads: UploadStore
    queue: JobQueue
    pull_pool: Executor
    store_pool: Executor  # apart: who waits for it holds requests that `pull_pool` may wait for
    upload_pool: Executor
    clock: Callable[[], float]  # the database's: one for all workers


@dataclass(slots=True)
class WindowWork:
    """One window of a cart, with its entries in order; `window` is kept up to what was written of it."""

    cart: Cart
    window: Window
    entries: list[CartEntry]
    #: CRC64NVME of the files that are staged, by archive id, as far as it was needed
    checksums: dict[str, int] = field(default_factory=dict)

    def learn(self, archive_id: str, hashes: Mapping[str, str]) -> None:
        self.checksums[archive_id] = crc64nvme.from_hex(hashes[crc64nvme.NAME])

    def wanted(self) -> dict[str, FileSpec]:
        """Each file of the window once, with all hashes its entries name."""
        files: dict[str, FileSpec] = {}
        for entry in self.entries:
            same = files.get(entry.archive_id)
            hashes = (same.hashes if same else ()) + (((entry.hash_name, entry.hash_hex),) if entry.hash_hex else ())
            files[entry.archive_id] = FileSpec(entry.archive_id, entry.size, entry.mtime_ns, hashes)
        return files
