"""Ranges of a run: the pieces they consist of, and the memory that the layout needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workers.tar.headers import Member
from workers.tar.layout import Run, Span

GIB = 1 << 30
ROOT = Path(__file__).parents[2]
PEAK = """
import sys, tracemalloc
from workers.tar.layout import Member, Run
tracemalloc.start()
run = Run([Member(f"root/folder/{n:090d}.dat", 10_000, n * 1001, 0) for n in range(int(sys.argv[1]))])
for _ in run.pieces(0, run.length):
    pass
print(tracemalloc.get_traced_memory()[1])
"""


@pytest.mark.parametrize(("start", "stop"), [(-1, 0), (2, 1), (0, 10_241)])
def test_a_range_outside_the_run_is_refused(start: int, stop: int) -> None:
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


def test_a_layout_needs_less_than_a_kilobyte_per_member() -> None:
    """In a process of its own: tracemalloc counts what all threads of a process allocate."""
    count = 5_000  # the target: a hundred thousand in 100 MB
    measured = subprocess.run([sys.executable, "-c", PEAK, str(count)], cwd=ROOT, capture_output=True, text=True)
    assert int(measured.stdout) < count * 1000, measured.stderr
