"""What was measured and is not needed any more, put aside until the benchmark ends.

For minutes after a file was removed ext4 does not use its inode again, and looks at each such inode whenever a file is
made (`find_inode_bit` in its ialloc.c). Thousands of small files removed between two measurements cost every file of
the next one 0.2 ms, which is more than a worker needs for the rest of it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

LARGE = 1 << 20  # bytes; such files are few, and would fill the disk


def put_aside(folder: Path, what: Path) -> None:
    """Take `what` out of the way, without its large files, to where `clear(folder)` finds it."""
    if not what.exists():
        return
    for file in what.rglob("*"):
        if not file.is_symlink() and file.is_file() and file.stat().st_size >= LARGE:
            file.unlink()
    _aside(folder).mkdir(exist_ok=True)
    what.rename(Path(tempfile.mkdtemp(dir=_aside(folder))) / what.name)


def clear(folder: Path) -> None:
    shutil.rmtree(_aside(folder), ignore_errors=True)


def _aside(folder: Path) -> Path:
    return folder / "aside"
