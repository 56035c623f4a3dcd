"""The checksum of each part, mostly without reading it.

A file that lies whole in a part contributes the checksum that was taken when it was verified. A file that is cut by a
part's end is read, and its pieces are checked against the whole afterwards (ADR 0014).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from workers.bundling.part_file import PartFile
from workers.bundling.part_limits import split_window
from workers.files import crc64nvme
from workers.files.volume import Volume
from workers.staging.window_work import WindowWork
from workers.tar.layout import Run, Span

BUFFER = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class PartRange:
    """A part: its number in the upload, and the bytes of the window's run that it holds."""

    number: int
    start: int
    length: int

    @property
    def stop(self) -> int:
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class PartChecksum:
    """A part's checksum. `cuts`: (index of the entry, checksum, bytes) of the pieces of files that the part cuts."""

    value: int
    cuts: tuple[tuple[int, int, int], ...]


class FilesChanged(Exception):
    """Files on the volume are no longer the bytes that were verified, but stored parts hold them already."""

    def __init__(self, archive_ids: set[str]) -> None:
        super().__init__(archive_ids)
        self.archive_ids = archive_ids


def part_ranges(work: WindowWork) -> list[PartRange]:
    """The parts of a window, in order."""
    sizes = split_window(work.window.length, work.cart.part_size)
    starts = accumulate(sizes[:-1], initial=0)
    return [
        PartRange(work.window.first_part + index, start, size)
        for index, (start, size) in enumerate(zip(starts, sizes, strict=True))
    ]


def part_checksum(work: WindowWork, run: Run, part: PartRange, volume: Volume) -> PartChecksum:
    """Compute a part's checksum, reading only the files that it cuts. `work.checksums` must have all of its files."""
    value, position, cuts = 0, part.start, []
    for piece in run.pieces(part.start, part.stop):
        if not isinstance(piece, Span):
            value = crc64nvme.update(piece, value)
            position += len(piece)
            continue
        entry = work.entries[piece.index]
        if piece.length == entry.size:
            checksum = work.checksums[entry.archive_id]
        else:
            checksum = _read(work, run, position, position + piece.length, volume)
            cuts.append((piece.index, checksum, piece.length))
        value = crc64nvme.combine(value, checksum, piece.length)
        position += piece.length
    return PartChecksum(value, tuple(cuts))


def check_cut_files(work: WindowWork, parts: Iterable[PartChecksum]) -> None:
    """Raise FilesChanged if a file sent in several parts is not the one that was verified. `parts`: all, in order."""
    whole: dict[int, int] = {}
    for part in parts:
        for index, value, length in part.cuts:
            whole[index] = crc64nvme.combine(whole.get(index, 0), value, length)
    names = {index: work.entries[index].archive_id for index in whole}
    changed = {names[index] for index, value in whole.items() if work.checksums[names[index]] != value}
    if changed:
        raise FilesChanged(changed)


def _read(work: WindowWork, run: Run, start: int, stop: int, volume: Volume) -> int:
    value, buffer = 0, memoryview(bytearray(BUFFER))
    with PartFile(run, work, volume, start, stop) as file:
        while got := file.readinto(buffer):
            value = crc64nvme.update(buffer[:got], value)
    return value
