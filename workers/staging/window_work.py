"""One window of a cart, passed from staging to upload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from chalicelib.db.states import WindowState
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.entries import CartEntry
from workers.files import crc64nvme
from workers.files.file_spec import FileSpec
from workers.stores.windows import Window
from workers.tar.checksum_lines import line_length


@dataclass(slots=True)
class WindowWork:
    """A window with its entries in order. `window` is replaced after each commit that changed its row."""

    cart: Cart
    window: Window
    entries: list[CartEntry]
    #: CRC64NVME by archive id, of the files that are staged, as far as it was needed
    checksums: dict[str, int] = field(default_factory=dict)
    #: likewise the checksums that the bundle's checksum file lists, in hexadecimal; empty if it has none
    sums: dict[str, str] = field(default_factory=dict)
    #: writes within a transaction that the window is staged; None once that is recorded
    unrecorded: Callable[[], None] | None = None

    def set_state(self, state: WindowState) -> None:
        """Follow the window's row, after the commit."""
        self.window = replace(self.window, state=state)

    def add_checksum(self, archive_id: str, hashes: Mapping[str, str]) -> None:
        """Remember a staged file's checksums; `hashes` are all that are known of it."""
        self.checksums[archive_id] = crc64nvme.from_hex(hashes[crc64nvme.NAME])
        if self.cart.sums and self.cart.sums in hashes:
            self.sums[archive_id] = hashes[self.cart.sums]

    def sums_length(self) -> int:
        """Bytes of the lines of the window's files in the bundle's checksum file."""
        return sum(line_length(self.cart.sums, entry.path) for entry in self.entries)

    def specs(self) -> dict[str, FileSpec]:
        """Each file of the window once, by archive id, with all hashes that its entries name."""
        files: dict[str, FileSpec] = {}
        also = (self.cart.sums,) if self.cart.sums else ()
        for entry in self.entries:
            same = files.get(entry.archive_id)
            hashes = (same.hashes if same else ()) + (((entry.hash_name, entry.hash_hex),) if entry.hash_hex else ())
            files[entry.archive_id] = FileSpec(entry.archive_id, entry.size, entry.mtime_ns, hashes, also)
        return files
