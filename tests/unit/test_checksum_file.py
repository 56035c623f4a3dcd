"""The checksum file that closes a bundle: any range of it, and of the tar around it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import LayoutChanged
from workers.bundling.checksum_file import ChecksumFile, SummedRun
from workers.stores.windows import SumsPage
from workers.tar.checksum_lines import line, line_length
from workers.tar.headers import Member, end_length, member_length
from workers.tar.layout import Span

paths = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=300)


def content_of(pages: list[list[bytes]]) -> ChecksumFile:
    firsts = accumulate((len(lines) for lines in pages), initial=0)
    rows = [
        SumsPage(number, first, len(lines), sum(map(len, lines)))
        for number, (first, lines) in enumerate(zip(firsts, pages, strict=False))
    ]
    return ChecksumFile(rows, lambda page: iter(pages[page.number]))


def joined(pieces: Iterator[bytes | Span]) -> bytes:
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))


@given(paths)
def test_the_length_of_a_line_is_known_before_its_checksum(path: str) -> None:
    assert line_length("sha256", path) == len(line("0" * 64, path))


@given(
    st.lists(st.lists(st.binary(min_size=1, max_size=90), min_size=1, max_size=5), min_size=1, max_size=5), st.data()
)
def test_any_range_of_the_file_is_that_of_the_whole(pages: list[list[bytes]], data: st.DataObject) -> None:
    content, whole = content_of(pages), b"".join(b"".join(lines) for lines in pages)
    start = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, len(whole) - start))
    assert content.length == len(whole)
    assert joined(content.read(start, length)) == whole[start : start + length]


@given(st.lists(st.lists(paths, min_size=1, max_size=4), min_size=1, max_size=4), st.data())
def test_any_range_of_the_tar_is_that_of_the_whole(pages: list[list[str]], data: st.DataObject) -> None:
    lines = [[line(f"{number:064x}", path) for number, path in enumerate(page)] for page in pages]
    content = content_of(lines)
    members = [Member("root/first", 0, 0, 1), Member("root/SHA256SUMS", content.length, 0, 0)]
    run = SummedRun(members, content, tail=end_length(sum(map(member_length, members))))
    whole = joined(run.pieces(0, run.length))
    start = data.draw(st.integers(0, run.length))
    stop = data.draw(st.integers(start, run.length))
    assert joined(run.pieces(start, stop)) == whole[start:stop]
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        last = tar.getmembers()[-1]
        assert (last.name, last.mtime) == ("root/SHA256SUMS", 0)
        assert tar.extractfile(last).read() == b"".join(map(b"".join, lines))  # type: ignore[union-attr]


def test_a_file_of_many_lines_comes_in_large_pieces() -> None:
    content = content_of([[line("0" * 64, f"file {number}")] * 1000 for number in range(10)])
    run = SummedRun([Member("root/SHA256SUMS", content.length, 0, 0)], content)
    assert len(list(run.pieces(0, run.length))) < 2 * run.length / (1 << 16) + 2


def test_rows_that_have_vanished_never_make_a_shorter_file() -> None:
    content = ChecksumFile([SumsPage(0, 0, 2, 20), SumsPage(1, 2, 1, 10)], lambda page: iter([b"123456789\n"]))
    with pytest.raises(LayoutChanged):
        list(content.read(0, 30))
