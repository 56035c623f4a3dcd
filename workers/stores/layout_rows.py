"""The rows that a cart's layout leaves in several tables."""

from __future__ import annotations

from chalicelib.stores.entries import EntryStore
from workers.stores.shared_files import SharedFileStore
from workers.stores.windows import WindowStore


class LayoutRows:
    """Each method runs within the caller's transaction."""

    def __init__(self, entries: EntryStore, windows: WindowStore, shared_files: SharedFileStore) -> None:
        self._entries = entries
        self._windows = windows
        self._shared_files = shared_files

    def void(self, cart_id: int) -> None:
        """Delete the cart's windows and forget its entries' metadata; the entries stay, for a new layout."""
        self._windows.delete_all(cart_id)
        self._shared_files.end(cart_id)
        self._entries.forget_found(cart_id)

    def begin_again(self, cart_id: int) -> None:
        """As `void`, for a failed cart that begins again: what is known of the files that did not fail stays."""
        self._windows.delete_all(cart_id)
        self._shared_files.end(cart_id)
        self._entries.forget_failed(cart_id)

    def delete_some(self, cart_id: int, most: int) -> bool:
        """Delete up to `most` of the cart's windows, or of its entries; False when none was left."""
        self._shared_files.end(cart_id)
        return bool(self._windows.delete_some(cart_id, most) or self._entries.drop_some(cart_id, most))
