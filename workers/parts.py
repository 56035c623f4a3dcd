"""What the handlers of a worker's jobs are made of; built in workers/__main__.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field

from chalicelib.bundles import BundleStore
from chalicelib.carts import Cart, CartStore
from chalicelib.entries import CartEntry, EntryStore
from chalicelib.jobs import JobStore
from chalicelib.queue import JobQueue
from chalicelib.settings import Settings
from chalicelib.uploads import UploadStore
from workers import checksum
from workers.archive import Archive
from workers.catalogue import Catalogue
from workers.recalls import RecallStore
from workers.shares import ShareStore
from workers.sorting import Wanted
from workers.volume import Volume
from workers.windows import Window, WindowStore


@dataclass(frozen=True)
class Parts:
    settings: Settings
    carts: CartStore
    entries: EntryStore
    jobs: JobStore
    windows: WindowStore
    recalls: RecallStore
    shares: ShareStore
    catalogue: Catalogue
    volume: Volume
    archive: Archive
    bundles: BundleStore
    uploads: UploadStore
    queue: JobQueue
    pull_pool: Executor
    store_pool: Executor  # apart: who waits for it holds requests that `pull_pool` may wait for
    upload_pool: Executor
    clock: Callable[[], float]  # the database's: one for all workers


@dataclass(slots=True)
class Work:
    """One window of a cart, with its entries in order; `window` is kept up to what was written of it."""

    cart: Cart
    window: Window
    entries: list[CartEntry]
    #: CRC64NVME of the files that are staged, by archive id, as far as it was needed
    checksums: dict[str, int] = field(default_factory=dict)

    def learn(self, archive_id: str, hashes: Mapping[str, str]) -> None:
        self.checksums[archive_id] = checksum.from_hex(hashes[checksum.NAME])

    def wanted(self) -> dict[str, Wanted]:
        """Each file of the window once, with all hashes its entries name."""
        files: dict[str, Wanted] = {}
        for entry in self.entries:
            same = files.get(entry.archive_id)
            hashes = (same.hashes if same else ()) + (((entry.hash_name, entry.hash_hex),) if entry.hash_hex else ())
            files[entry.archive_id] = Wanted(entry.archive_id, entry.size, entry.mtime_ns, hashes)
        return files
