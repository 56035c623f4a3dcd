"""Manifests that are made to cost memory or time, and what reading one costs in a process of its own.

`python -m tests.hostile_manifests NAME SIZE` prints the outcome, the growth of the process's memory in bytes, and the
seconds of processor time; `python -m tests.hostile_manifests paths COUNT` the growth by so many paths.
"""

from __future__ import annotations

import gzip
import itertools
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator

from chalicelib.errors import CartError
from chalicelib.manifest.gunzip import TooLarge
from chalicelib.manifest.path_tree import PathTree
from chalicelib.manifest.reader import ManifestReader

UNPACKED = 4  # a gzipped body may unpack to this many times its limit
MAX_ENTRIES = 1_000_000


def filled(head: bytes, unit: bytes, size: int, tail: bytes = b"") -> bytes:
    """`size` bytes at most: `head`, `unit` again and again, `tail`."""
    return head + unit * ((size - len(head) - len(tail)) // len(unit)) + tail


def listed(entries: Iterator[str], size: int) -> bytes:
    """As many of these entries as fit, in a manifest."""
    parts, length = [], 0
    for entry in entries:
        length += len(entry) + 1
        if length > size - 20:
            break
        parts.append(entry)
    return f'{{"fileids":[{",".join(parts)}]}}'.encode()


def _tiny(number: int) -> str:
    return f'{{"id":1,"path":"{number:x}"}}'


def _deep(number: int) -> str:
    return json.dumps({"id": 1, "path": "/".join([f"{number:x}", *["d" * 62] * 62, "f"])})


def _capital(number: int) -> str:
    return json.dumps({"id": 1, "path": f"É{number:X}/A\u0301{number:X}"}, ensure_ascii=False)


def _unportable(number: int) -> str:
    return f'{{"id":1,"path":"con.{number:x}:"}}'


def _padded(number: int) -> str:
    return f'{{"id":1,"path":"{number:x}","x":[{",".join(["[]"] * 300_000)}]}}'


def _twice(number: int) -> str:
    return f'{{"path":"{number:x}",' + ",".join(['"id":1'] * 100_000) + "}"


ENTRIES = b'{"fileids":['
BODIES: dict[str, Callable[[int], bytes]] = {
    "empty entries": lambda size: filled(ENTRIES, b"{},", size),
    "empty lists": lambda size: filled(ENTRIES, b"[],", size),
    "tiny entries": lambda size: listed(map(_tiny, itertools.count()), size),
    "tiny lines": lambda size: b"\n".join(_tiny(number).encode() for number in range(min(MAX_ENTRIES, size // 24))),
    "deep unique paths": lambda size: listed(map(_deep, itertools.count()), size),
    "capitals and accents": lambda size: listed(map(_capital, itertools.count()), size),
    "names for no Windows": lambda size: listed(map(_unportable, itertools.count()), size),
    "padded entries": lambda size: listed(map(_padded, itertools.count()), size),
    "keys of an entry again and again": lambda size: listed(map(_twice, itertools.count()), size),
    "one huge string": lambda size: filled(b'{"fileids":[{"id":1,"path":"', b"a", size),
    "one huge escaped string": lambda size: filled(b'{"x":"', b"\\u00e9", size),
    "one huge number": lambda size: filled(b'{"x":', b"9", size),
    "one huge fraction": lambda size: filled(b'{"x":0.', b"9", size),
    "one huge word": lambda size: filled(b'{"x":', b"t", size),
    "one huge key": lambda size: filled(b'{"', b"k", size),
    "huge ignored list": lambda size: filled(b'{"x":[', b"{},", size),
    "many ignored keys": lambda size: filled(b"{", b'"x":1,', size),
    "many ignored lists": lambda size: filled(b"{", b'"x":[%s],' % b",".join([b"[]"] * 300_000), size),
    "many keys of one entry": lambda size: filled(b'{"fileids":[{', b'"x":1,', size),
    "blanks": lambda size: filled(b"{", b" \n", size),
    "blanks between entries": lambda size: filled(ENTRIES, b'{"id":1,"path":"a"}' + b" " * 1_000_000 + b",", size),
    "blank lines": lambda size: filled(b'{"id":1,"path":"a"}', b"\r\n", size),
    "brackets": lambda size: filled(ENTRIES, b"[", size),
    "braces": lambda size: filled(b"", b'{"a":', size),
    "nested to the limit": lambda size: filled(b'{"x":[', b"[" * 30 + b"]" * 30 + b",", size),
    "strings with brackets": lambda size: filled(b"{", b'"x":"%s",' % (b"[" * 900_000), size),
    "endless first line": lambda size: filled(b'{"id":1,"path":"a","x":[', b"1,", size),
    "wide characters": lambda size: filled(ENTRIES, '{"id":1,"path":"\U0001f680"},'.encode(), size),
    "zeros": lambda size: bytes(size),
    "empty gzip members": lambda size: filled(b"", gzip.compress(b"", mtime=0), size),
    "tiny gzip members": lambda size: filled(b"", gzip.compress(b" ", mtime=0), size),
    "gzip header without an end": lambda size: filled(b"\x1f\x8b\x08\x08" + bytes(6), b"n", size),
}
#: Those that compress so well that the body unpacks to its limit.
BOMBS = ("empty entries", "tiny entries", "one huge string", "many ignored lists", "padded entries", "blanks", "zeros")
NAMES = (*BODIES, *(f"gzip of {name}" for name in BOMBS))


def body_of(name: str, size: int) -> bytes:
    """A body of at most `size` bytes; one that is gzipped unpacks to at most UNPACKED times as much."""
    plain = name.removeprefix("gzip of ")
    if plain == name:
        return BODIES[name](size)
    return gzip.compress(BODIES[plain](UNPACKED * size), compresslevel=1, mtime=0)


def measured(name: str, size: int) -> tuple[str, int, float]:
    """The outcome of reading the body, the growth of this process's memory beyond the body, and seconds."""
    body = body_of(name, size)
    reset_peak()
    before, began = peak(), time.process_time()
    try:
        count = sum(1 for _ in ManifestReader("uid", MAX_ENTRIES).entries([body], UNPACKED * size))
        outcome = f"{count} entries"
    except (CartError, TooLarge) as error:
        outcome = f"{type(error).__name__}: {str(error)[:200]}"
    return outcome, peak() - before, time.process_time() - began


def growth_of_paths(count: int) -> int:
    """The growth of this process's memory by so many files, each in a folder of its own, with accents and capitals."""
    tree = PathTree(lambda *_: None)
    reset_peak()
    before = peak()
    for number in range(count):
        tree.claim(f"É{number:X}/E\u0301{number:X}", number)
    return peak() - before


def reset_peak() -> None:
    """Let the kernel forget the peak so far, which includes making the body."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak() -> int:
    """The most memory this process has held since the last reset, in bytes."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) << 10


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    name, size = sys.argv[1], int(sys.argv[2])
    print(json.dumps(growth_of_paths(size) if name == "paths" else measured(name, size)))
