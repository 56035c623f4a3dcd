"""Asking the archive about many files at once, and for those on tape."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from chalicelib.errors import ArchiveRefused, ArchiveTimedOut, ArchiveUnavailable
from workers.archive.client import FileStatus
from workers.runtime.lease import Lease
from workers.staging.parts import Parts

Answer = FileStatus | ArchiveRefused | ArchiveUnavailable


class Asker:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def ask(self, lease: Lease, archive_ids: Collection[str]) -> Iterator[tuple[str, Answer]]:
        """Where each file is, or why the archive does not say; in any order."""
        return self._parts.archive.statuses(archive_ids, lease.check)

    def recall(self, lease: Lease, archive_ids: Collection[str]) -> None:
        """See to it that these files were asked for from tape, once by whichever cart came first.

        One the archive does not take may be asked for again at the next look. A time-out is no refusal: some archives
        answer only when the file is online, and then the look finds it; the claim stays until it lapses.
        """
        if not archive_ids:
            return
        mine = self._parts.recalls.claim(lease.job.id, archive_ids)
        taken, refused = [], []
        for archive_id, error in self._parts.archive.recalls(mine, lease.check):
            if error is None:
                taken.append(archive_id)
            elif not isinstance(error, ArchiveTimedOut):
                refused.append(archive_id)
        self._parts.recalls.requested(taken)
        self._parts.recalls.refused(refused)
