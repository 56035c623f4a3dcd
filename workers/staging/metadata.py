"""Size, mtime and place of files: from the staged files where the hash is known there, else from the archive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile

from chalicelib.errors import ArchiveRefused, ArchiveTimedOut, ArchiveUnavailable
from chalicelib.stores.entries import CartEntry
from workers.archive.client import ArchiveClient
from workers.archive.file_status import FileStatus
from workers.runtime.lease import Lease
from workers.staging.file_retries import FailingEntry
from workers.staging.missing_files import refused
from workers.stores.known_files import KnownFile, KnownFileStore
from workers.stores.recalls import Found, RecallStore
from workers.stores.tape_looks import TapeLookStore


class MetadataLookup:
    def __init__(
        self, archive: ArchiveClient, known_files: KnownFileStore, recalls: RecallStore, looks: TapeLookStore
    ) -> None:
        self._archive = archive
        self._known_files = known_files
        self._recalls = recalls
        self._looks = looks

    def look_up(self, lease: Lease, entries: Sequence[CartEntry], waiting: int) -> list[FailingEntry]:
        """Fill in size, mtime and place of these entries; return those the archive failed to answer for.

        `waiting`: the job that waits for files on tape, which may be another than the lease's.
        """
        return self.ask_archive(lease, self.look_up_known(lease, entries), waiting=waiting)

    def look_up_known(self, lease: Lease, entries: Sequence[CartEntry]) -> list[CartEntry]:
        """Fill in what is known of files on the volume, and of those that others have recalled from tape.

        Returns the entries that the archive has to be asked about.
        """
        known = self._known_files.find(entry.archive_id for entry in entries)
        # By file, not by entry: two entries of one file must get the same size and mtime.
        other = {entry.archive_id for entry in entries if not _is_same_file(entry, known.staged.get(entry.archive_id))}
        staged = {name: file for name, file in known.staged.items() if name not in other}
        shown = {name: file for name, file in known.on_tape.items() if self._may_share(lease, file)}
        for entry in entries:
            file = staged.get(entry.archive_id) or shown.get(entry.archive_id)
            if file is not None:
                entry.size, entry.mtime_ns, entry.on_tape = file.size, file.mtime_ns, entry.archive_id not in staged
                entry.succeed()
        return [entry for entry in entries if entry.archive_id not in staged.keys() | shown.keys()]

    def ask_archive(
        self,
        lease: Lease,
        entries: Sequence[CartEntry],
        is_over: Callable[[], bool] = lambda: False,
        waiting: int | None = None,
    ) -> list[FailingEntry]:
        """Ask the archive about each file once, and recall those on tape; return the entries it failed to answer for.

        A file that the archive refuses gets the reason as its entries' error. When `is_over`, the rest is not asked.
        `waiting`: as in `look_up`; by default the lease's job.
        """
        by_id: dict[str, list[CartEntry]] = {}
        for entry in entries:
            by_id.setdefault(entry.archive_id, []).append(entry)
        failing: list[FailingEntry] = []
        for archive_id, answer in self.statuses(lease, takewhile(lambda _: not is_over(), by_id)):
            for entry in by_id[archive_id]:
                if isinstance(answer, ArchiveUnavailable):
                    failing.append((entry, answer.message))
                elif isinstance(answer, ArchiveRefused):
                    entry.error = refused(archive_id, answer.message)
                else:
                    entry.size, entry.mtime_ns, entry.on_tape = answer.size, answer.mtime_ns, answer.media == "tape"
                    entry.succeed()
        on_tape = {entry.archive_id: (entry.size, entry.mtime_ns) for entry in entries if entry.on_tape}
        self.recall(lease, on_tape, waiting)
        return failing

    def take_answers(self, lease: Lease, entries: Sequence[CartEntry]) -> list[FailingEntry]:
        """Fill in what looks have found of these entries on tape, and recall those that nobody has recalled.

        Asks the archive only about files that a look was refused, or that were given up: the look was made for another
        cart, or its owner. Returns as `ask_archive`.
        """
        answers = self._looks.answers(entry.archive_id for entry in entries)
        refused_looks = []
        for entry in entries:
            answer = answers.get(entry.archive_id)
            if answer is not None and answer.size is not None:
                entry.size, entry.mtime_ns, entry.on_tape = answer.size, answer.mtime_ns, False
                entry.succeed()
            elif answer is not None:
                entry.failing_s, entry.failing_at = answer.failing_s, answer.failing_at
                entry.failing_reason = answer.failing_reason
                refused_looks.append(entry)
        failing = self.ask_archive(lease, refused_looks)
        others = [entry for entry in entries if entry.archive_id not in answers]
        self.recall(lease, {entry.archive_id: (entry.size, entry.mtime_ns) for entry in others})
        return failing

    def statuses(
        self, lease: Lease, archive_ids: Iterable[str]
    ) -> Iterator[tuple[str, FileStatus | ArchiveRefused | ArchiveUnavailable]]:
        """Ask the archive about each file; yields answers in any order."""
        return self._archive.for_owner(lease.owner, lease.calling_archive, lease.calling_database).statuses(
            archive_ids, lease.check
        )

    def recall(self, lease: Lease, files: Found, waiting: int | None = None) -> None:
        """Recall files from tape, each once across all carts; `files` gives their sizes and mtimes.

        Those above the limit of the cart's owner wait for the next poll. A refused recall may be requested again then,
        too. A timeout is not a refusal: some archives answer only when the file is online, so the claim stays until it
        lapses.
        """
        if not files:
            return
        claimed = self._recalls.claim(waiting or lease.job.id, files.keys(), lease.job.line, files)
        accepted, rejected = [], []
        archive = self._archive.for_owner(lease.owner, lease.calling_archive, lease.calling_database)
        for archive_id, error in archive.recalls(claimed, lease.check):
            if error is None:
                accepted.append(archive_id)
            elif not isinstance(error, ArchiveTimedOut):
                rejected.append(archive_id)
        self._recalls.mark_requested(accepted)
        self._recalls.release(rejected)

    def _may_share(self, lease: Lease, file: KnownFile) -> bool:
        """An archive that is told whose requests they are may answer this owner otherwise."""
        return not self._archive.is_told_owners or file.owner == lease.owner


def _is_same_file(entry: CartEntry, file: KnownFile | None) -> bool:
    """Whether the staged file is the one that this entry names, judged by its hash."""
    return file is not None and file.hashes.get(entry.hash_name) == entry.hash_hex != ""
