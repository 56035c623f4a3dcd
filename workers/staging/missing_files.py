"""What a client reads about a file that the archive does not deliver: which one, why, and what to do."""

from __future__ import annotations

from chalicelib.errors import EntriesFailed
from chalicelib.stores.entries import CartEntry
from workers.archive.client import ANSWERED

HINT = "Check the id, then post the manifest again."
NO_SUCH_FILE = ("404", "410")
MOST = 255  # characters of an entry's error
ID_SHOWN, PATH_SHOWN = 100, 300  # characters


def given_up(archive_id: str, reason: str, patience: float) -> str:
    """The error of an entry whose file failed for `patience` seconds, for `reason` at last."""
    status = reason.removeprefix(ANSWERED)
    if status == reason:
        return reason[:MOST]
    failed = f"or could not read it for {patience:.0f} s (HTTP {status})"
    return f"The archive has no file with id {_shown(archive_id, ID_SHOWN)!r}, {failed}. {HINT}"


def refused(archive_id: str, reason: str) -> str:
    """The error of an entry whose file the archive refuses."""
    status = reason.removeprefix(ANSWERED)
    if status not in NO_SUCH_FILE:
        return reason[:MOST]
    return f"The archive has no file with id {_shown(archive_id, ID_SHOWN)!r} (HTTP {status}). {HINT}"


def entry_failed(entry: CartEntry) -> str:
    """An entry's error, with its path and id."""
    path = _shown(entry.path, PATH_SHOWN)
    if entry.error.endswith(HINT):
        return f"{entry.error} Path: {path}"
    return f"{path} (id {entry.archive_id}): {entry.error}"


def files_failed(count: int, total: int, first: CartEntry) -> EntriesFailed:
    """The error of a cart, `count` of whose `total` files failed; `first` is named."""
    return EntriesFailed(entry_failed(first) + (f"; {count} of {total} files failed" if total > 1 else ""))


def first_failed(count: int, first: CartEntry) -> EntriesFailed:
    """The error of a cart whose first `count` files all failed; `first` is named."""
    return EntriesFailed(f"{entry_failed(first)}; the first {count} all failed; the rest were not asked for")


def _shown(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
