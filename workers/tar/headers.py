"""The headers of a tar's members, byte for byte those that Python's tarfile writes in PAX_FORMAT. Pure.

A bundle may have millions of members, so the constant bytes of a header and their share of its checksum are computed
once. A PAX extended header precedes a member's own header only where that cannot express a value: a path that is long
or not ASCII, a size of 8 GiB or more, a time before 1970 or with a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

BLOCK = 512
RECORD = 20 * BLOCK
NAME_LENGTH = 100
OCTAL_LIMIT = 8**11  # the first number that eleven octal digits cannot express
SECOND = 10**9


class Member(NamedTuple):
    """A file of the bundle. `path` includes the root.

    `new_dirs`: how many of its innermost directories it is the first to need.
    """

    path: str
    size: int
    mtime_ns: int
    new_dirs: int


def headers(member: Member) -> Iterator[bytes]:
    """Yield what precedes the member's data: the headers of its new directories, outermost first, and its own.

    One by one, because a path of 4 KiB can bring two thousand directories.
    """
    for directory in _new_directories(member):
        yield _header(_DIRECTORY, directory, 0, member.mtime_ns)
    yield _header(_FILE, member.path, member.size, member.mtime_ns)


def member_length(member: Member) -> int:
    """Bytes of the member in the tar: headers, data and padding."""
    length = _header_length(member.path, member.size, member.mtime_ns) + padded(member.size)
    if member.new_dirs:
        length += sum(_header_length(directory, 0, member.mtime_ns) for directory in _new_directories(member))
    return length


def end_length(total_of_members: int) -> int:
    """Zero bytes after the last member: at least two blocks, rounded up to a whole record."""
    return 2 * BLOCK + -(total_of_members + 2 * BLOCK) % RECORD


def padded(size: int) -> int:
    return size + -size % BLOCK


class _Kind(NamedTuple):
    before: bytes  # from after the name to the size
    after: bytes  # from after the checksum to the end of the block
    checksum: int  # of both, with the checksum's own field as blanks


def _kind(typeflag: bytes, mode: int) -> _Kind:
    before = b"%07o\0%07o\0%07o\0" % (mode, 0, 0)
    after = (typeflag + bytes(NAME_LENGTH) + b"ustar\x0000").ljust(BLOCK - 156, b"\0")
    return _Kind(before, after, sum(before) + sum(after) + 8 * ord(" "))


_FILE = _kind(b"0", 0o644)
_DIRECTORY = _kind(b"5", 0o755)
_EXTENDED = _kind(b"x", 0)


def _new_directories(member: Member) -> Iterator[str]:
    if not member.new_dirs:
        return
    segments = member.path.split("/")
    for depth in range(len(segments) - member.new_dirs, len(segments)):
        yield "/".join(segments[:depth]) + "/"


def _header(kind: _Kind, name: str, size: int, mtime_ns: int) -> bytes:
    records = _records(name, size, mtime_ns)
    short = name.encode("ascii", "replace")[:NAME_LENGTH]
    block = _block(kind, short, _field(size), _field(mtime_ns // SECOND))
    return _extended_block(len(records)) + records + bytes(-len(records) % BLOCK) + block if records else block


def _header_length(name: str, size: int, mtime_ns: int) -> int:
    records = _records(name, size, mtime_ns)
    return 2 * BLOCK + padded(len(records)) if records else BLOCK


def _field(number: int) -> int:
    """The number if the header's own field can express it, else 0: then a PAX record holds it."""
    return number if 0 <= number < OCTAL_LIMIT else 0


def _block(kind: _Kind, name: bytes, size: int, seconds: int) -> bytes:
    numbers = b"%011o\0%011o\0" % (size, seconds)
    checksum = kind.checksum + sum(name) + sum(numbers)
    return b"%b%b%b%06o\0 %b" % (name.ljust(NAME_LENGTH, b"\0"), kind.before, numbers, checksum, kind.after)


@lru_cache(maxsize=1024)
def _extended_block(length: int) -> bytes:
    return _block(_EXTENDED, b"././@PaxHeader", length, 0)


def _records(name: str, size: int, mtime_ns: int) -> bytes:
    records = b""
    if mtime_ns % SECOND or not 0 <= mtime_ns < OCTAL_LIMIT * SECOND:
        records = _record(b"mtime", _decimal_seconds(mtime_ns))
    if len(name) > NAME_LENGTH or not name.isascii():
        records += _record(b"path", name.encode())
    if size >= OCTAL_LIMIT:
        records += _record(b"size", b"%d" % size)
    return records


def _record(keyword: bytes, value: bytes) -> bytes:
    """`<length> <keyword>=<value>` and a line feed; the length includes its own digits."""
    bare = len(keyword) + len(value) + 3
    length = bare + len(str(bare + len(str(bare))))
    return b"%d %b=%b\n" % (length, keyword, value)


def _decimal_seconds(mtime_ns: int) -> bytes:
    """Exact, unlike a float, and without trailing zeros."""
    seconds, fraction = divmod(abs(mtime_ns), SECOND)
    sign = b"-" if mtime_ns < 0 else b""
    return (b"%b%d.%09d" % (sign, seconds, fraction)).rstrip(b"0").rstrip(b".")
