"""How much of the volume may be used, by what lies on it and what is promised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from workers.files.volume import Volume

MIB = 1 << 20
Disk = Callable[[int, int], None]


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    made = Volume(tmp_path, limit=0, reserve=5)
    made.prepare()
    return made


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Sets what the file system says of itself: bytes in all and used."""

    def say(total: int, used: int) -> None:
        monkeypatch.setattr("workers.files.volume.psutil.disk_usage", lambda _: SimpleNamespace(total=total, used=used))

    return say


def leave(root: Path, name: str, size: int) -> Path:
    path = root / "tmp" / name
    path.write_bytes(b"x" * size)
    return path


def test_an_empty_volume_may_be_filled_up_to_its_reserve(volume: Volume, disk: Disk) -> None:
    disk(100 * MIB, 0)
    assert volume.bound(0, 0) == volume.capacity() == 95 * MIB


def test_what_others_use_lowers_the_bound_but_not_the_capacity(volume: Volume, disk: Disk) -> None:
    disk(100 * MIB, 30 * MIB)
    assert volume.bound(10 * MIB, 10 * MIB) == 75 * MIB
    assert volume.capacity() == 95 * MIB


def test_files_that_are_being_pulled_are_not_taken_for_others(volume: Volume, disk: Disk, tmp_path: Path) -> None:
    leave(tmp_path, "1-1-aa", 4 * MIB)
    disk(100 * MIB, 14 * MIB)
    assert volume.bound(20 * MIB, 10 * MIB) == 95 * MIB


def test_what_dead_workers_left_beyond_all_promises_counts_as_taken(volume: Volume, disk: Disk, tmp_path: Path) -> None:
    leave(tmp_path, "1-1-aa", 4 * MIB)
    disk(100 * MIB, 14 * MIB)
    assert volume.bound(10 * MIB, 10 * MIB) == 91 * MIB


def test_a_limit_bounds_a_larger_disk(tmp_path: Path, disk: Disk) -> None:
    limited = Volume(tmp_path, limit=40 * MIB, reserve=5)
    limited.prepare()
    disk(100 * MIB, 50 * MIB)
    assert limited.bound(0, 0) == limited.capacity() == 38 * MIB
    disk(100 * MIB, 90 * MIB)
    assert limited.bound(0, 0) == 8 * MIB


def test_a_hold_drops_what_earlier_ones_on_its_job_left_and_nothing_else(volume: Volume, tmp_path: Path) -> None:
    old, own, other = (leave(tmp_path, name, 1) for name in ("7-1-aa", "7-2-aa", "71-1-aa"))
    volume.drop_older("7-2")
    assert [path.exists() for path in (old, own, other)] == [False, True, True]
