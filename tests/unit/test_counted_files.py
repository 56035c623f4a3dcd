"""Which files of a window are counted, as text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.stores.counted_files import CountedFiles, counted_map


@given(st.integers(0, 50), st.sets(st.integers(0, 99)), st.integers(100, 120))
def test_exactly_the_files_that_were_counted_are(first: int, places: set[int], files: int) -> None:
    counted = CountedFiles(first, files, len(places), counted_map(places, files))
    assert {position - first for position in range(first + files + 20) if position in counted} == places


def test_all_files_are_counted_whatever_the_text_says() -> None:
    assert [position in CountedFiles(2, 3, 3, None) for position in range(6)] == [False, False, True, True, True, False]


def test_counts_of_the_previous_release_name_no_file() -> None:
    assert [position in CountedFiles(0, 3, 2, None) for position in range(3)] == [False] * 3
