"""Size, mtime and place of files: from the catalogue where their hash is known there, or else from the archive."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.errors import ArchiveRefused, ArchiveUnavailable
from chalicelib.stores.entries import CartEntry
from workers.runtime.lease import Lease
from workers.staging.asking import Asker
from workers.staging.file_actions import STAGED, StagedFile
from workers.staging.parts import Parts

Failing = list[tuple[CartEntry, str]]


class Finder:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._asker = Asker(parts)

    def find(self, lease: Lease, entries: Sequence[CartEntry]) -> Failing:
        """Fill in what is known of these entries; those the archive failed to answer for, with the reason."""
        return self.ask(lease, self.look_up(entries))

    def look_up(self, entries: Sequence[CartEntry]) -> list[CartEntry]:
        """Fill in what the catalogue knows of these entries; those the archive has to be asked for."""
        known = self._parts.catalogue.known(entry.archive_id for entry in entries if entry.hash_hex)
        # By file, not by entry: two entries of one file have to agree on its size and time.
        unknown = {entry.archive_id for entry in entries if not _is_known(entry, known.get(entry.archive_id))}
        asked = []
        for entry in entries:
            if entry.archive_id in unknown:
                asked.append(entry)
            else:
                entry.size, entry.mtime_ns = known[entry.archive_id].size, known[entry.archive_id].mtime_ns
        return asked

    def ask(self, lease: Lease, entries: Sequence[CartEntry]) -> Failing:
        """Ask the archive for each file once, and for recalls; the entries it failed to answer for, with the reason."""
        by_id: dict[str, list[CartEntry]] = {}
        for entry in entries:
            by_id.setdefault(entry.archive_id, []).append(entry)
        failing: Failing = []
        for archive_id, answer in self._asker.ask(lease, by_id):
            for entry in by_id[archive_id]:
                if isinstance(answer, ArchiveUnavailable):
                    failing.append((entry, answer.message))
                elif isinstance(answer, ArchiveRefused):
                    entry.error = answer.message[:255]
                else:
                    entry.size, entry.mtime_ns, entry.on_tape = answer.size, answer.mtime_ns, answer.media == "tape"
        self._asker.recall(lease, {entry.archive_id for entry in entries if entry.on_tape})
        return failing


def _is_known(entry: CartEntry, file: StagedFile | None) -> bool:
    """Whether the file that lies on the volume is the one this entry names, by its hash."""
    return file is not None and file.state == STAGED and file.hashes.get(entry.hash_name) == entry.hash_hex != ""
