"""The rows that a cart's layout leaves in several tables, deleted together."""

from __future__ import annotations

from chalicelib.stores.entries import EntryStore
from workers.stores.shared_files import SharedFileStore
from workers.stores.windows import WindowStore


class LayoutRows:
    """Both methods run within the caller's transaction."""

    def __init__(self, entries: EntryStore, windows: WindowStore, shared_files: SharedFileStore) -> None:
        self._entries = entries
        self._windows = windows
        self._shared_files = shared_files

    def void(self, cart_id: int) -> None:
        """Delete the cart's windows and forget its entries' metadata; the entries stay, for a new layout."""
        self._delete_windows(cart_id)
        self._entries.forget_found(cart_id)

    def delete(self, cart_id: int) -> None:
        """Delete the cart's windows and entries."""
        self._delete_windows(cart_id)
        self._entries.drop(cart_id)

    def _delete_windows(self, cart_id: int) -> None:
        self._windows.delete_all(cart_id)
        self._shared_files.end(cart_id)
