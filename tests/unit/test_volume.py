"""How much of the volume may be used, given the data on it and the reservations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from chalicelib.job_message import Claim
from workers.files.volume import Volume

MIB = 1 << 20
Disk = Callable[[int, int], None]


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    volume = Volume(tmp_path, limit=0, reserve=5)
    volume.prepare()
    return volume


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Sets the total and the used bytes that the file system reports."""

    def report(total: int, used: int) -> None:
        monkeypatch.setattr(psutil, "disk_usage", lambda _: SimpleNamespace(total=total, used=used))

    return report


def write_temporary(root: Path, name: str, size: int) -> Path:
    path = root / "tmp" / name
    path.write_bytes(b"x" * size)
    return path


def test_an_empty_volume_may_be_filled_up_to_its_reserve(volume: Volume, disk: Disk) -> None:
    disk(100 * MIB, 0)
    assert volume.usable(volume.look(), 0, 0) == volume.capacity() == 95 * MIB


def test_other_data_on_the_disk_lowers_the_bound_but_not_the_capacity(volume: Volume, disk: Disk) -> None:
    disk(100 * MIB, 30 * MIB)
    assert volume.usable(volume.look(), 10 * MIB, 10 * MIB) == 75 * MIB
    assert volume.capacity() == 95 * MIB


def test_files_being_pulled_do_not_count_as_other_data(volume: Volume, disk: Disk, tmp_path: Path) -> None:
    write_temporary(tmp_path, "1-1-aa", 4 * MIB)
    disk(100 * MIB, 14 * MIB)
    assert volume.usable(volume.look(), 20 * MIB, 10 * MIB) == 95 * MIB


def test_leftovers_beyond_all_reservations_count_as_other_data(volume: Volume, disk: Disk, tmp_path: Path) -> None:
    write_temporary(tmp_path, "1-1-aa", 4 * MIB)
    disk(100 * MIB, 14 * MIB)
    assert volume.usable(volume.look(), 10 * MIB, 10 * MIB) == 91 * MIB


def test_a_limit_bounds_a_larger_disk(tmp_path: Path, disk: Disk) -> None:
    limited = Volume(tmp_path, limit=40 * MIB, reserve=5)
    limited.prepare()
    disk(100 * MIB, 50 * MIB)
    assert limited.usable(limited.look(), 0, 0) == limited.capacity() == 38 * MIB
    disk(100 * MIB, 90 * MIB)
    assert limited.usable(limited.look(), 0, 0) == 8 * MIB


def test_only_temporary_files_of_earlier_claims_on_the_same_job_are_removed(volume: Volume, tmp_path: Path) -> None:
    old, own, other = (write_temporary(tmp_path, name, 1) for name in ("7-1-aa", "7-2-aa", "71-1-aa"))
    volume.remove_older_temporaries(Claim(7, 2))
    assert [path.exists() for path in (old, own, other)] == [False, True, True]
