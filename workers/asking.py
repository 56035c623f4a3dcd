"""Asking the archive about many files at once, and for those on tape."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from chalicelib.errors import ArchiveRefused, ArchiveTimedOut, ArchiveUnavailable
from workers.archive import FileStatus
from workers.fanout import each
from workers.lease import Lease
from workers.parts import Parts

TAKEN, REFUSED, UNKNOWN = "taken", "refused", "unknown"  # what came of asking for a recall
Answer = FileStatus | ArchiveRefused | ArchiveUnavailable


class Asker:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def ask(self, lease: Lease, archive_ids: Collection[str]) -> Iterator[tuple[str, Answer]]:
        """Where each file is, or why the archive does not say; in any order."""
        return each(self._parts.pull_pool, self._status, archive_ids, self._most(), lease.check)

    def recall(self, lease: Lease, archive_ids: Collection[str]) -> None:
        """See to it that these files were asked for from tape, once by whichever cart came first.

        One the archive does not take may be asked for again at the next look. A time-out is no refusal: some archives
        answer only when the file is online, and then the look finds it; the claim stays until it lapses.
        """
        if not archive_ids:
            return
        mine = self._parts.recalls.claim(lease.job.id, archive_ids)
        came: dict[str, list[str]] = {TAKEN: [], REFUSED: [], UNKNOWN: []}
        for archive_id, what in each(self._parts.pull_pool, self._request, mine, self._most(), lease.check):
            came[what].append(archive_id)
        self._parts.recalls.requested(came[TAKEN])
        self._parts.recalls.refused(came[REFUSED])

    def _most(self) -> int:
        return self._parts.settings.pull_concurrency * 2

    def _status(self, archive_id: str) -> tuple[str, Answer]:
        try:
            return archive_id, self._parts.archive.status(archive_id)
        except (ArchiveRefused, ArchiveUnavailable) as error:
            return archive_id, error

    def _request(self, archive_id: str) -> tuple[str, str]:
        try:
            self._parts.archive.recall(archive_id)
        except ArchiveTimedOut:
            return archive_id, UNKNOWN
        except (ArchiveRefused, ArchiveUnavailable):
            return archive_id, REFUSED
        return archive_id, TAKEN
