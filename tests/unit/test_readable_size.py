"""Sizes in messages."""

from __future__ import annotations

import pytest

from chalicelib.readable_size import distinct_sizes, readable_size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 KB"),
        (999_949, "999.9 KB"),
        (999_950, "1.0 MB"),
        (2_100_000_000_000, "2.1 TB"),
        (50 * 10**15, "50.0 PB"),
        (10**19, "10000.0 PB"),
    ],
)
def test_a_size_is_written_with_its_unit(size: int, text: str) -> None:
    assert readable_size(size) == text


def test_sizes_that_would_read_the_same_are_written_in_bytes() -> None:
    assert distinct_sizes(2_000_000, 1_000_000) == ["2.0 MB", "1.0 MB"]
    assert distinct_sizes(1_048_576, 1_048_577) == ["1048576 bytes", "1048577 bytes"]
    assert distinct_sizes(5, 5) == ["5 bytes", "5 bytes"]
