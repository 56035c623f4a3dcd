"""The tar layout: byte for byte that of Python's tarfile, and readable by GNU tar and bsdtar."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.programs import need
from workers.tar.headers import Member, end_length, headers, member_length
from workers.tar.layout import Run, Span

SECOND = 10**9
GIB = 1 << 30

segments = st.text(st.sampled_from("ab.-_ 0é漢🚀"), min_size=1, max_size=9).filter(lambda text: text not in (".", ".."))
long_segments = st.integers(60, 120).map(lambda length: "x" * length) | segments
mtimes = (
    st.integers(-3, 3)
    | st.integers(-(10**19), 10**20)
    | st.integers(-(10**10), 10**11).map(lambda seconds: seconds * SECOND)
    | st.just(8**11 * SECOND - 1)
)
small = st.integers(0, 3000)


@st.composite
def members(draw: st.DrawFn, sizes: st.SearchStrategy[int] = small) -> list[Member]:
    """Members with unique paths; `new_dirs` counts the directories that no earlier member needs."""
    folders: set[str] = set()
    made = []
    for number in range(draw(st.integers(0, 6))):
        path = "/".join(["root", *draw(st.lists(long_segments, max_size=4)), f"{number}{draw(segments)}"])
        parents = [path[:at] for at, character in enumerate(path) if character == "/"]
        new = [parent for parent in parents if parent not in folders]
        folders.update(new)
        made.append(Member(path, draw(sizes), draw(mtimes), len(new)))
    return made


def data_of(index: int, size: int) -> bytes:
    return (f"data of {index} " * (size // 8 + 1)).encode()[:size]


def tarinfos(member: Member) -> list[tarfile.TarInfo]:
    """What tarfile writes for the member: its new directories, then the file."""
    folders = member.path.split("/")
    count = len(folders)
    infos = [tarfile.TarInfo("/".join(folders[:depth])) for depth in range(count - member.new_dirs, count)]
    for folder in infos:
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
    file = tarfile.TarInfo(member.path)
    file.size = member.size
    infos.append(file)
    for info in infos:
        info.mtime = member.mtime_ns // SECOND
        if member.mtime_ns % SECOND or not 0 <= info.mtime < 8**11:
            exact = Decimal(member.mtime_ns).scaleb(-9)
            info.pax_headers = {"mtime": f"{exact:f}".rstrip("0").rstrip(".")}
    return infos


def written_by_tarfile(run: Sequence[Member]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for index, member in enumerate(run):
            for info in tarinfos(member):
                tar.addfile(info, io.BytesIO(data_of(index, member.size)) if info.isfile() else None)
    return whole.getvalue()


def complete(members: Sequence[Member]) -> Run:
    return Run(members, tail=end_length(sum(map(member_length, members))))


def read(run: Run, members: Sequence[Member], start: int, stop: int) -> bytes:
    return b"".join(
        data_of(piece.index, members[piece.index].size)[piece.start : piece.start + piece.length]
        if isinstance(piece, Span)
        else piece
        for piece in run.pieces(start, stop)
    )


def whole_bytes(members: Sequence[Member]) -> bytes:
    run = complete(members)
    return read(run, members, 0, run.length)


@given(members())
@example([Member("root/" + "d" * 94 + "/" + "f" * 100, 1, 1, 2)])
@example([Member("/".join(["root", *"abcdefgh" * 40]), 1, 1, 321)])
def test_the_tar_equals_the_one_that_tarfile_writes(run: list[Member]) -> None:
    assert whole_bytes(run) == written_by_tarfile(run)


@given(members(sizes=st.integers(8**11 - 2, 8**11 + 2) | st.integers(0, 10**15)))
def test_headers_equal_those_of_tarfile_even_beyond_eight_gibibytes(run: list[Member]) -> None:
    for member in run:
        expected = b"".join(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict") for info in tarinfos(member))
        assert b"".join(headers(member)) == expected
        assert member_length(member) == len(expected) + member.size + -member.size % 512


@given(st.integers(85, 110), st.integers(0, 3), st.integers(980, 1010))
def test_the_length_of_a_pax_record_includes_its_own_digits(short: int, accents: int, long: int) -> None:
    for length in (short, long):
        name = "é" * accents + "n" * (length - accents)
        member = Member(name, 0, 0, 0)
        assert b"".join(headers(member)) == tarinfos(member)[0].tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


@given(members())
def test_tarfile_reads_back_every_member(run: list[Member]) -> None:
    with tarfile.open(fileobj=io.BytesIO(whole_bytes(run))) as tar:
        infos = tar.getmembers()
        files = [info for info in infos if info.isfile()]
        assert [info.name for info in infos if info.isdir()] == [
            folder.name for member in run for folder in tarinfos(member)[:-1]
        ]
        for index, (member, info) in enumerate(zip(run, files, strict=True)):
            assert (info.name, info.size, info.mode) == (member.path, member.size, 0o644)
            assert (info.uid, info.gid, info.uname, info.gname) == (0, 0, "", "")
            assert info.mtime == pytest.approx(member.mtime_ns / SECOND)
            content = tar.extractfile(info)
            assert content
            assert content.read() == data_of(index, member.size)


@given(members(), st.data())
def test_ranges_that_partition_the_tar_concatenate_to_it(run: list[Member], data: st.DataObject) -> None:
    layout = complete(run)
    whole = written_by_tarfile(run)
    cuts = data.draw(st.lists(st.integers(0, layout.length), max_size=8))
    bounds = [0, *sorted(cuts), layout.length]
    for start, stop in pairwise(bounds):
        assert read(layout, run, start, stop) == whole[start:stop]


@given(members(), st.data())
def test_windows_that_partition_the_members_concatenate_to_the_tar(run: list[Member], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(run) - 1)), max_size=3)))
    bounds = [0, *(at for at in cuts if at < len(run)), len(run)]
    whole = written_by_tarfile(run)
    at = 0
    for start, stop in pairwise(bounds):
        tail = end_length(sum(map(member_length, run))) if stop == len(run) else 0
        window = Run(run[start:stop], tail=tail)
        actual = b"".join(
            data_of(piece.index + start, run[piece.index + start].size)[piece.start :][: piece.length]
            if isinstance(piece, Span)
            else piece
            for piece in window.pieces(0, window.length)
        )
        assert actual == whole[at : at + window.length]
        at += window.length
    assert at == len(whole)


@given(members())
def test_offsets_are_where_each_member_begins_and_the_last_one_ends(run: list[Member]) -> None:
    layout = complete(run)
    assert layout.offsets.typecode == "Q"
    assert len(layout.offsets) == len(run) + 1
    for start, stop, member in zip(layout.offsets, layout.offsets[1:], run, strict=False):
        pieces = list(layout.pieces(start, stop))
        assert pieces[0] == b"".join(headers(member))
        assert stop - start == member_length(member)


def test_an_empty_tar_is_one_record_of_zeros() -> None:
    assert whole_bytes([]) == bytes(10_240)


readers = pytest.mark.parametrize("program", ["tar", "bsdtar"])
UTF8 = {**os.environ, "LC_ALL": "C.UTF-8"}


def skip_without(program: str) -> None:
    need(program)


@readers
def test_other_programs_unpack_the_same_files(program: str, tmp_path: Path) -> None:
    skip_without(program)
    paths = [
        "r/a",
        "r/é/漢字 🚀.txt",
        "r/" + "x" * 97 + "/y",
        "r/" + "s" * 250 + "/" + "é" * 100,
        "r/-dash",
        "r/deep/" * 60,
    ]
    times = [1_600_000_000_250_000_000, 0, 1, SECOND, -SECOND, 4_000_000_000 * SECOND]
    run = [
        Member(path.rstrip("/"), 513 * index, mtime_ns, path.count("/"))
        for index, (path, mtime_ns) in enumerate(zip(paths, times, strict=True))
    ]
    (tmp_path / "bundle.tar").write_bytes(whole_bytes(run))
    subprocess.run([program, "-xf", "bundle.tar"], cwd=tmp_path, env=UTF8, check=True, capture_output=True)
    for index, member in enumerate(run):
        unpacked = tmp_path / member.path
        assert unpacked.read_bytes() == data_of(index, member.size)
        assert unpacked.stat().st_mtime == pytest.approx(member.mtime_ns / SECOND, abs=0.001)


@readers
def test_other_programs_list_members_beyond_eight_gibibytes(program: str, tmp_path: Path) -> None:
    skip_without(program)
    big = [Member("root/big", 9 * GIB + 1, 0, 1), Member("root/after", 3, 0, 0)]
    run = complete(big)
    with (tmp_path / "bundle.tar").open("wb") as sparse:
        for piece in run.pieces(0, run.length):
            if isinstance(piece, Span):
                sparse.seek(piece.length, os.SEEK_CUR)
            else:
                sparse.write(piece)
    listing = subprocess.run(
        [program, "-tvf", "bundle.tar"], cwd=tmp_path, env=UTF8, check=True, capture_output=True, text=True
    ).stdout
    names = [line.split()[-1] for line in listing.splitlines()]
    assert names == ["root/", "root/big", "root/after"]
    assert str(9 * GIB + 1) in listing
