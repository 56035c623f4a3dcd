"""The time of a staged file on the volume: one that every file system keeps."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib.job_message import Claim
from workers.archive.mtime import EARLIEST, LATEST
from workers.files.stamps import SECOND, is_stamp, stamp_of
from workers.files.volume import StagedFileGone, Volume

TIMES = [
    0,
    1,
    SECOND - 1,
    1_500_000_000_250_000_000,
    (1 << 31) * SECOND - 1,
    (1 << 31) * SECOND,
    15_032_385_535 * SECOND // 2,
    -1,
    -SECOND // 2,
    -SECOND,
    -86_400 * SECOND,
    EARLIEST,
    LATEST,
]
CLAIM = Claim(1, 1)


def whole_seconds(mtime_ns: int) -> int:
    return mtime_ns // SECOND * SECOND


def from_1970_to_2038(mtime_ns: int) -> int:
    return min(max(mtime_ns, 0), ((1 << 31) - 1) * SECOND)


@pytest.mark.parametrize("kept", [int, whole_seconds, from_1970_to_2038], ids=["exact", "seconds", "range"])
@pytest.mark.parametrize("mtime_ns", TIMES)
def test_a_staged_file_is_found_again_on_any_file_system(
    mtime_ns: int, kept: Callable[[int], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kept`: what the file system makes of a time."""
    set_times = os.utime
    monkeypatch.setattr(os, "utime", lambda *where, ns, **how: set_times(*where, ns=(kept(ns[0]), kept(ns[1])), **how))
    volume = Volume(tmp_path, 0, 0)
    volume.prepare()
    with volume.writing("x", CLAIM, 1) as descriptor:
        os.write(descriptor, b"x")
    volume.keep("x", CLAIM, mtime_ns)
    assert volume.has("x", 1, mtime_ns)
    os.close(volume.open("x", 1, mtime_ns))
    for other in (mtime_ns + SECOND, mtime_ns - SECOND):
        assert not volume.has("x", 1, other)
        with pytest.raises(StagedFileGone):
            volume.open("x", 1, other)


@pytest.mark.parametrize("mtime_ns", TIMES)
def test_a_file_that_an_earlier_release_staged_is_not_pulled_again(mtime_ns: int) -> None:
    assert is_stamp(mtime_ns, mtime_ns)


@pytest.mark.parametrize("mtime_ns", [time for time in TIMES if 0 <= time < (1 << 31) * SECOND])
def test_an_ordinary_time_is_kept_to_the_nanosecond(mtime_ns: int) -> None:
    assert stamp_of(mtime_ns) == mtime_ns
