"""A staged window as a run of the tar, as it was planned."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.errors import LayoutChanged
from chalicelib.stores.entries import EntryStore
from workers.bundling.checksum_file import ChecksumFile, SummedRun
from workers.files import crc64nvme
from workers.staging.layout_input import member_of, sums_member
from workers.staging.window_work import WindowWork
from workers.stores.staged_files import StagedFileStore
from workers.stores.windows import SumsPage, WindowStore
from workers.tar.checksum_lines import digits, line
from workers.tar.headers import Member, end_length, member_length
from workers.tar.layout import Run


class SumsUnknown(Exception):
    """A checksum of a staged file, which its part or the bundle's checksum file needs, is not known.

    Also of a file that another cart pulls again, because it expects other bytes.
    """


class WindowRuns:
    def __init__(self, staged_files: StagedFileStore, entries: EntryStore, windows: WindowStore) -> None:
        self._staged_files = staged_files
        self._entries = entries
        self._windows = windows

    def run_of(self, work: WindowWork) -> Run:
        """The window's layout. Raises LayoutChanged if it is not as it was planned, and SumsUnknown.

        Reads the checksums of files that an earlier claim of the job staged.
        """
        self._load_checksums(work)
        members = [member_of(work.cart, entry) for entry in work.entries]
        run = self._last(work, members) if work.window.number == work.cart.windows_total - 1 else Run(members)
        if run.length != work.window.length:
            raise LayoutChanged("a window is not as it was planned")
        return run

    def _load_checksums(self, work: WindowWork) -> None:
        ids = {entry.archive_id for entry in work.entries}
        missing = ids - work.checksums.keys()
        for archive_id, file in self._staged_files.find(missing).items() if missing else ():
            if crc64nvme.NAME in file.hashes:
                work.add_checksum(archive_id, file.hashes)
        if not ids <= work.checksums.keys() or (work.cart.sums and not ids <= work.sums.keys()):
            raise SumsUnknown

    def _last(self, work: WindowWork, members: list[Member]) -> Run:
        """The window that closes the bundle: with the checksum file, if there is one, and the end of the tar."""
        content = self._checksum_file(work) if work.cart.sums else None
        if content is not None:
            members.append(sums_member(work.cart, content.length))
        ahead = work.cart.bundle_size - work.window.length
        tail = end_length(ahead + sum(map(member_length, members)))
        return Run(members, tail=tail) if content is None else SummedRun(members, content, tail=tail)

    def _checksum_file(self, work: WindowWork) -> ChecksumFile:
        if work.entries:  # the only window of its cart
            page = SumsPage(work.window.number, 0, len(work.entries), work.sums_length())
            return ChecksumFile(
                [page], lambda _: (line(work.sums[entry.archive_id], entry.path) for entry in work.entries)
            )
        pages = self._windows.sums_pages(work.cart.id)
        if sum(page.files for page in pages) != work.cart.files_total:
            raise LayoutChanged(
                "a window is not as it was planned"
            )  # a worker of the previous release closed a window; the tar's end may hide the gap
        return ChecksumFile(pages, lambda page: self._lines(work, page))

    def _lines(self, work: WindowWork, page: SumsPage) -> Iterator[bytes]:
        """The lines of a window that is done, from its row and its entries."""
        sums, width = self._windows.sums(work.cart.id, page.number), digits(work.cart.sums)
        for index, entry in enumerate(self._entries.page(work.cart.id, page.first, page.files)):
            yield line(sums[index * width : (index + 1) * width], entry.path)
