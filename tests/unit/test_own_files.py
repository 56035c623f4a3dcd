"""What somebody else has put on the volume is neither followed, read nor written."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib.errors import VolumeUnavailable
from chalicelib.job_message import Claim
from workers.files.names import name_of
from workers.files.volume import StagedFileGone, Volume, volume_errors

CLAIM, MTIME_NS = Claim(7, 1), 1_500_000_000_000_000_000
CONTENT = b"content"


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    volume = Volume(tmp_path / "volume", limit=0, reserve=5)
    volume.prepare()
    return volume


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A file of another user, outside of the volume, with the content and the time of a staged file."""
    file = tmp_path / "elsewhere"
    file.write_bytes(CONTENT)
    os.utime(file, ns=(MTIME_NS, MTIME_NS))
    return file


def stage(volume: Volume, archive_id: str = "a") -> Path:
    with volume.writing(archive_id, CLAIM, len(CONTENT)) as descriptor:
        os.write(descriptor, CONTENT)
    volume.keep(archive_id, CLAIM, MTIME_NS)
    return volume.path(archive_id)


def opens(volume: Volume, archive_id: str = "a") -> bool:
    """Whether the file is there as it was staged; both ways to ask agree."""
    try:
        os.close(volume.open(archive_id, len(CONTENT), MTIME_NS))
        found = True
    except StagedFileGone:
        found = False
    assert volume.has(archive_id, len(CONTENT), MTIME_NS) == found
    return found


def temporary(tmp_path: Path) -> Path:
    """The temporary file that CLAIM writes for `a`."""
    return tmp_path / "volume" / "tmp" / f"7-1-{name_of('a')[:32]}"


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        before = Path.cwd()
        os.chdir(path.parent)  # a socket's path is short
        try:
            listening.bind(path.name)
        finally:
            os.chdir(before)


PLANTS: dict[str, Callable[[Path, Path], object]] = {
    "symlink": lambda path, elsewhere: path.symlink_to(elsewhere),
    "dangling symlink": lambda path, elsewhere: path.symlink_to(elsewhere.with_name("new")),
    "hard link": lambda path, elsewhere: path.hardlink_to(elsewhere),
    "fifo": lambda path, _: os.mkfifo(path),
    "socket": lambda path, _: a_socket(path),
    "directory": lambda path, _: (path / "full").mkdir(parents=True),
}
planted = pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())


def test_files_and_directories_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        volume = Volume(tmp_path / "new" / "volume", limit=0, reserve=5)
        volume.prepare()
        file = stage(volume)
    finally:
        os.umask(before)
    made = [path for path in (tmp_path / "new" / "volume").rglob("*") if path != file]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (*made, tmp_path / "new" / "volume")} == {0o700}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_volume_of_an_older_release_goes_on_working_and_becomes_private(volume: Volume, tmp_path: Path) -> None:
    file = stage(volume)
    file.chmod(0o644)
    for path in (tmp_path / "volume").rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    volume.prepare()
    assert opens(volume)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@planted
def test_what_lies_in_place_of_a_temporary_file_is_replaced(
    volume: Volume, tmp_path: Path, elsewhere: Path, plant: Callable[[Path, Path], object]
) -> None:
    plant(temporary(tmp_path), elsewhere)
    with volume.writing("a", CLAIM, 3) as descriptor:
        os.write(descriptor, b"new")
    assert temporary(tmp_path).read_bytes() == b"new"
    assert not temporary(tmp_path).is_symlink()
    assert elsewhere.read_bytes() == CONTENT
    assert not elsewhere.with_name("new").exists()


@planted
def test_what_lies_in_place_of_a_staged_file_is_not_opened_and_is_replaced(
    volume: Volume, elsewhere: Path, plant: Callable[[Path, Path], object]
) -> None:
    plant(volume.path("a"), elsewhere)
    assert not opens(volume)
    assert stage(volume).read_bytes() == CONTENT
    assert opens(volume)
    assert elsewhere.read_bytes() == CONTENT


@planted
def test_what_lies_in_place_of_a_file_can_be_removed(
    volume: Volume, elsewhere: Path, tmp_path: Path, plant: Callable[[Path, Path], object]
) -> None:
    plant(volume.path("a"), elsewhere)
    plant(temporary(tmp_path), elsewhere)
    volume.remove_staged("a")
    volume.discard("a", CLAIM)
    assert not os.path.lexists(volume.path("a"))
    assert not os.path.lexists(temporary(tmp_path))
    assert elsewhere.read_bytes() == CONTENT


@planted
def test_the_sweep_lists_and_removes_what_others_put_there(
    volume: Volume, elsewhere: Path, tmp_path: Path, plant: Callable[[Path, Path], object]
) -> None:
    name = volume.path("a").name
    plant(volume.path("a"), elsewhere)
    plant(temporary(tmp_path), elsewhere)
    assert volume.names(int(name[:2], 16)) == [name]
    assert not volume.exists(name)
    volume.remove(name)
    volume.remove_temporaries([name for names in volume.temporaries().values() for name in names])
    assert (volume.names(int(name[:2], 16)), volume.temporaries()) == ([], {})


def test_a_directory_that_is_not_ours_is_left_alone(volume: Volume, tmp_path: Path) -> None:
    for folder in ("tmp", "files/ab"):
        (tmp_path / "volume" / folder / ".snapshot" / "of yesterday").mkdir(parents=True)
    assert (volume.names(0xAB), volume.temporaries()) == ([], {})


def test_no_file_is_reached_through_a_linked_directory(volume: Volume, tmp_path: Path) -> None:
    """Without this, the files of the other directory, which have no rows, would be removed as strays."""
    file = stage(volume)
    other = tmp_path / "other"
    file.parent.rename(other)
    file.parent.symlink_to(other)
    for act in (
        lambda: volume.open("a", len(CONTENT), MTIME_NS),
        lambda: volume.names(int(file.name[:2], 16)),
        lambda: volume.remove(file.name),
        lambda: stage(volume),
    ):
        with pytest.raises(VolumeUnavailable), volume_errors():
            act()
    volume.prepare()
    assert (other / file.name).read_bytes() == CONTENT
    assert not file.parent.is_symlink()
    assert not opens(volume)
    assert opens(volume) or stage(volume).read_bytes() == CONTENT


@pytest.mark.parametrize("folder", ["tmp", "files"])
def test_a_volume_whose_top_directory_is_a_link_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "volume" / folder).symlink_to(tmp_path / "other")
    with pytest.raises(NotADirectoryError, match=f"must be a directory.*{folder}"):
        Volume(tmp_path / "volume", limit=0, reserve=5).prepare()
    assert list((tmp_path / "other").iterdir()) == []


def test_the_volume_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "volume").symlink_to(tmp_path / "disk")
    volume = Volume(tmp_path / "volume", limit=0, reserve=5)
    volume.prepare()
    stage(volume)
    assert opens(volume)


def test_links_in_tmp_take_no_space(volume: Volume, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(1 << 20))
    before = volume.usable(volume.look(), 1 << 21, 0)
    (tmp_path / "volume" / "tmp" / "1-1-aa").symlink_to(large)
    assert abs(volume.usable(volume.look(), 1 << 21, 0) - before) < 1 << 19
