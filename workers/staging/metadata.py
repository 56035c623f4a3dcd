"""Size, mtime and place of files: from the staged files where the hash is known there, else from the archive."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import takewhile

from chalicelib.db.states import FileState
from chalicelib.errors import ArchiveRefused, ArchiveTimedOut, ArchiveUnavailable
from chalicelib.stores.entries import CartEntry
from workers.archive.client import ArchiveClient, FileStatus
from workers.runtime.lease import Lease
from workers.staging.file_retries import FailingEntry
from workers.staging.missing_files import refused
from workers.stores.recalls import RecallStore
from workers.stores.staged_files import StagedFile, StagedFileStore
from workers.stores.tape_looks import TapeLookStore


class MetadataLookup:
    def __init__(
        self, archive: ArchiveClient, staged_files: StagedFileStore, recalls: RecallStore, looks: TapeLookStore
    ) -> None:
        self._archive = archive
        self._staged_files = staged_files
        self._recalls = recalls
        self._looks = looks

    def look_up(self, lease: Lease, entries: Sequence[CartEntry]) -> list[FailingEntry]:
        """Fill in size, mtime and place of these entries; return those the archive failed to answer for."""
        return self.ask_archive(lease, self.look_up_staged(entries))

    def look_up_staged(self, entries: Sequence[CartEntry]) -> list[CartEntry]:
        """Fill in what the staged files know; return the entries that the archive has to be asked about."""
        found = self._staged_files.find(entry.archive_id for entry in entries if entry.hash_hex)
        # By file, not by entry: two entries of one file must get the same size and mtime.
        unknown = {entry.archive_id for entry in entries if not _is_same_file(entry, found.get(entry.archive_id))}
        for entry in entries:
            if entry.archive_id not in unknown:
                entry.size, entry.mtime_ns = found[entry.archive_id].size, found[entry.archive_id].mtime_ns
                entry.succeed()
        return [entry for entry in entries if entry.archive_id in unknown]

    def ask_archive(
        self, lease: Lease, entries: Sequence[CartEntry], is_over: Callable[[], bool] = lambda: False
    ) -> list[FailingEntry]:
        """Ask the archive about each file once, and recall those on tape; return the entries it failed to answer for.

        A file that the archive refuses gets the reason as its entries' error. When `is_over`, the rest is not asked.
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
        self.recall(lease, {entry.archive_id for entry in entries if entry.on_tape})
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
        self.recall(lease, {entry.archive_id for entry in entries} - answers.keys())
        return failing

    def statuses(
        self, lease: Lease, archive_ids: Iterable[str]
    ) -> Iterator[tuple[str, FileStatus | ArchiveRefused | ArchiveUnavailable]]:
        """Ask the archive about each file; yields answers in any order."""
        return self._archive.for_owner(lease.owner, lease.calling_archive, lease.calling_database).statuses(
            archive_ids, lease.check
        )

    def recall(self, lease: Lease, archive_ids: Collection[str]) -> None:
        """Recall files from tape, each once across all carts.

        Those above the limit of the cart's owner wait for the next poll. A refused recall may be requested again then,
        too. A timeout is not a refusal: some archives answer only when the file is online, so the claim stays until it
        lapses.
        """
        if not archive_ids:
            return
        claimed = self._recalls.claim(lease.job.id, archive_ids, lease.job.line)
        accepted, rejected = [], []
        archive = self._archive.for_owner(lease.owner, lease.calling_archive, lease.calling_database)
        for archive_id, error in archive.recalls(claimed, lease.check):
            if error is None:
                accepted.append(archive_id)
            elif not isinstance(error, ArchiveTimedOut):
                rejected.append(archive_id)
        self._recalls.mark_requested(accepted)
        self._recalls.release(rejected)


def _is_same_file(entry: CartEntry, file: StagedFile | None) -> bool:
    """Whether the staged file is the one that this entry names, judged by its hash."""
    return (
        file is not None and file.state == FileState.STAGED and file.hashes.get(entry.hash_name) == entry.hash_hex != ""
    )
