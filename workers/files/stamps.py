"""The mtime of a staged file on the volume, which stands for its mtime in the archive.

File systems keep fewer times than archives: ext4 ends in 2446, XFS and NFSv3 may end in 2038, some begin in 1970, and
some keep whole seconds only. A time that came back changed would look like a changed file, which is pulled again, for
ever. So a staged file gets a time that all of them keep, and is compared to the second.
"""

from __future__ import annotations

SECOND = 10**9  # nanoseconds
_YEAR_2038 = 1 << 31  # seconds


def stamp_of(mtime_ns: int) -> int:
    """The mtime that a staged file gets: its own from 1970 to 2038, otherwise a second in between."""
    seconds = mtime_ns // SECOND
    return mtime_ns if 0 <= seconds < _YEAR_2038 else seconds % _YEAR_2038 * SECOND


def is_stamp(found_ns: int, mtime_ns: int) -> bool:
    """Whether a staged file with mtime `found_ns` on the volume is that of `mtime_ns` in the archive.

    Earlier releases set the archive's own time, whatever it was.
    """
    return found_ns // SECOND in (stamp_of(mtime_ns) // SECOND, mtime_ns // SECOND)
