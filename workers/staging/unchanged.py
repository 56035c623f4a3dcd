"""Whether the archive's file is still the one that the layout was made from."""

from __future__ import annotations

from chalicelib.errors import ArchiveUnavailable, LayoutChanged
from workers.archive.client import ArchiveClient
from workers.files.file_spec import FileSpec
from workers.runtime.lease import Lease


def check_unchanged(archive: ArchiveClient, spec: FileSpec, lease: Lease) -> None:
    """Raise LayoutChanged if the archive's file is no longer the one in the layout."""
    status = archive.status(spec.archive_id, lease.check)
    if (status.size, status.mtime_ns) != (spec.size, spec.mtime_ns):
        raise LayoutChanged(f"{spec.archive_id} has changed in the archive")


def wrong_size(spec: FileSpec, received: int) -> ArchiveUnavailable:
    """The layout is made from the size that HEAD gives, so a GET that brings another number of bytes is an error."""
    sent = f"{received} bytes" if received < spec.size else f"more than {spec.size} bytes"
    return ArchiveUnavailable(f"the archive sent {sent}; by its X-Content-Length there are {spec.size}")
