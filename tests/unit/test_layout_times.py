"""Members of any time: GNU tar, bsdtar and Python's tarfile list and unpack them, with the time that a tar can say."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.test_layout import complete, data_of, whole_bytes
from workers.archive.mtime import EARLIEST, LATEST
from workers.tar.headers import Member, headers, member_length

SECOND = 10**9
WHOLE = [-86_400 * SECOND, -SECOND, 0, 8**11 * SECOND, EARLIEST, LATEST]
FRACTIONS = [-86_400 * SECOND - SECOND // 4, -SECOND // 2, -1, 1, LATEST - 1, EARLIEST + 1]
MEMBERS = [
    Member(f"r/{number}", 10 + number, mtime_ns, number == 0) for number, mtime_ns in enumerate(WHOLE + FRACTIONS)
]
UTC = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}

programs = pytest.mark.parametrize("program", ["tar", "bsdtar"])


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.tar"
    path.write_bytes(whole_bytes(MEMBERS))
    return path


def run(program: str, *arguments: str, folder: Path) -> str:
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([program, *arguments], cwd=folder, env=UTC, check=True, capture_output=True, text=True)
    return done.stdout


def test_the_length_is_that_of_the_headers_whatever_the_time() -> None:
    for member in MEMBERS:
        assert sum(map(len, headers(member))) + 512 == member_length(member)
    assert complete(MEMBERS).length == len(whole_bytes(MEMBERS))


def test_tarfile_reads_every_time(bundle: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(bundle.read_bytes())) as tar:
        found = {info.name: info.mtime for info in tar if info.isfile()}
    assert found == {member.path: pytest.approx(member.mtime_ns / SECOND, abs=1e-6) for member in MEMBERS}


def test_gnu_tar_lists_every_time(bundle: Path) -> None:
    lines = run("tar", "--full-time", "-tvf", bundle.name, folder=bundle.parent).splitlines()[1:]
    for line, member in zip(lines, MEMBERS, strict=True):
        day, time = line.split()[3:5]
        whole, _, fraction = time.partition(".")
        listed = datetime.fromisoformat(f"{day} {whole}") - datetime(1970, 1, 1)
        # GNU tar lists -0.5 as 00:00:00.5: the seconds rounded towards 1970, and the fraction from there.
        towards_1970 = abs(member.mtime_ns) // SECOND * (1 if member.mtime_ns >= 0 else -1)
        expected = {towards_1970, member.mtime_ns // SECOND}
        assert listed // timedelta(seconds=1) in expected, line
        assert int((fraction or "0").ljust(9, "0")) in (abs(member.mtime_ns) % SECOND, member.mtime_ns % SECOND), line


@programs
def test_every_file_is_unpacked(program: str, bundle: Path) -> None:
    run(program, "-xf", bundle.name, folder=bundle.parent)
    for index, member in enumerate(MEMBERS):
        assert (bundle.parent / member.path).read_bytes() == data_of(index, member.size)


@pytest.mark.parametrize(
    ("program", "times"),
    # bsdtar reads -0.5 as 0.5, so its fractions before 1970 are not right to the second.
    [("tar", WHOLE + FRACTIONS), ("bsdtar", WHOLE + [time for time in FRACTIONS if time > 0])],
)
def test_an_unpacked_file_has_its_time_where_the_file_system_holds_it(
    program: str, times: list[int], bundle: Path
) -> None:
    run(program, "-xf", bundle.name, folder=bundle.parent)
    for member in MEMBERS:
        os.utime(bundle, ns=(member.mtime_ns, member.mtime_ns))
        if member.mtime_ns in times and bundle.stat().st_mtime_ns == member.mtime_ns:
            assert (bundle.parent / member.path).stat().st_mtime_ns == member.mtime_ns
