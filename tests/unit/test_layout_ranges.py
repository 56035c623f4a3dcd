"""Ranges of a run: which pieces they are made of, and how little memory that takes."""

from __future__ import annotations

import tracemalloc

import pytest

from workers.tar.layout import Member, Run, Span

GIB = 1 << 30


@pytest.mark.parametrize(("start", "stop"), [(-1, 0), (2, 1), (0, 10_241)])
def test_a_range_beyond_the_run_is_refused(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="in a run of 10240"):
        Run([], tail=10_240).pieces(start, stop)


def test_a_range_in_the_middle_of_a_large_file_is_one_span() -> None:
    run = Run([Member("root/a", 0, 0, 1), Member("root/b", 20 * GIB, 0, 0)])
    begin = run.offsets[2] - 20 * GIB
    assert list(run.pieces(begin + 5 * GIB, begin + 6 * GIB)) == [Span(1, 5 * GIB, GIB)]


def test_literal_bytes_come_in_pieces_of_at_most_64_kib() -> None:
    deep = Member("/".join(["d"] * 2000), 0, 1, 1999)
    run = Run([deep, *(Member(f"e{number}", 0, 0, 0) for number in range(1000))], tail=1 << 20)
    pieces = list(run.pieces(0, run.length))
    assert all(isinstance(piece, bytes) and len(piece) <= 1 << 16 for piece in pieces)
    assert len(pieces) < 2 * run.length / (1 << 16)


def test_the_layout_of_many_members_takes_under_a_kilobyte_for_each() -> None:
    count = 20_000  # a hundred thousand of them are to fit in 100 MB
    tracemalloc.start()
    try:
        run = Run([Member(f"root/folder/{number:090d}.dat", 10_000, number * 1001, 0) for number in range(count)])
        for _ in run.pieces(0, run.length):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < count * 1000
