"""How a bundle is cut into windows and parts, up to the largest possible sizes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import PermanentError
from workers.bundling.part_limits import (
    PartSizes,
    check_bundle_size,
    cut_bundle,
    cut_windows,
    fit_part_limit,
    split_window,
)
from workers.tar.headers import end_length

KIB, MIB, GIB, TB = 1 << 10, 1 << 20, 1 << 30, 10**12
DEFAULTS = {"part_size": 64 * MIB, "window_size": GIB, "window_files": 1000}
SMALL = PartSizes(part_size=5 * MIB, window_size=20 * MIB, window_files=4)

any_settings = st.fixed_dictionaries(
    {
        "part_size": st.integers(5 * MIB, 5 * GIB) | st.just(64 * MIB),
        "window_size": st.integers(0, 100 * GIB) | st.just(GIB),
        "window_files": st.integers(1, 100_000) | st.just(1000),
    }
)
lengths = (
    st.integers(1, 20).map(lambda blocks: 512 * blocks)
    | st.integers(4 * MIB, 11 * MIB)
    | st.integers(GIB - 10, GIB + 10)
    | st.integers(5 * GIB - 10 * MIB, 6 * GIB)
    | st.integers(1, 10 * TB)
)


def repeated(pattern: list[int], max_bytes: int, max_files: int) -> list[int]:
    """The pattern repeated until the next length would exceed `max_bytes` or `max_files`."""

    def lengths() -> Iterator[int]:
        total = 0
        for number, length in enumerate(cycle(pattern)):
            total += length
            if number == max_files or total > max_bytes:
                return
            yield length

    return list(lengths())


def parts_of(lengths: list[int], cutting: PartSizes, generated: int = 0) -> list[int]:
    windows = cut_bundle(lengths, generated, end_length(sum(lengths) + generated), cutting)
    return [part for _, size in windows for part in split_window(size, cutting.part_size)]


def assert_store_accepts(parts: list[int]) -> None:
    assert len(parts) <= 10_000
    assert max(parts) <= 5 * GIB
    assert all(part >= 5 * MIB for part in parts[:-1])


@settings(max_examples=60)
@given(st.lists(lengths, min_size=1, max_size=6), st.integers(MIB, 50 * TB), any_settings, st.just(0) | lengths)
def test_no_bundle_has_parts_that_the_store_rejects(
    pattern: list[int], max_bytes: int, plan_settings: dict[str, int], generated: int
) -> None:
    members = repeated(pattern, max_bytes, 30_000) or [KIB]
    generated = min(generated, 50 * TB - sum(members))
    total = sum(members) + generated
    parts = parts_of(members, fit_part_limit(total, len(members), PartSizes(**plan_settings)), generated)
    assert sum(parts) == total + end_length(total)
    assert_store_accepts(parts)


@pytest.mark.parametrize(
    ("pattern", "max_files"),
    [
        ([5 * MIB, 50 * TB // 550], 1_100),  # small, large, small, ...: the most windows that size can close
        ([2 * GIB + 512], 24_000),
        ([5 * MIB] * 999 + [40 * GIB], 1_000_000),
        ([50 * MIB], 1_000_000),
        ([6 * KIB] * 1000 + [1], 2_000_000),
        ([50 * TB], 1),
    ],
)
def test_the_largest_bundles_fit(pattern: list[int], max_files: int) -> None:
    members = repeated(pattern, 50 * TB, max_files)
    assert_store_accepts(parts_of(members, fit_part_limit(sum(members), len(members), PartSizes(**DEFAULTS))))


@pytest.mark.parametrize("total", [TB, 5 * TB, 50 * TB])
def test_windows_of_ten_million_files_need_at_most_half_of_the_parts(total: int) -> None:
    grown = fit_part_limit(total, 10_000_000, PartSizes(**DEFAULTS))
    windows = 10_000_000 // grown.window_files + 2 * total // grown.window_size + 1
    assert windows <= 5_000
    assert windows + total // grown.part_size <= 10_000
    assert grown.part_size <= 5 * GIB


@given(st.integers(1, 500 * GIB), st.integers(1, 500_000))
def test_a_bundle_that_fits_is_cut_by_the_settings(total: int, entries: int) -> None:
    assert fit_part_limit(total, entries, PartSizes(**DEFAULTS)) == PartSizes(**DEFAULTS)


@pytest.mark.parametrize(
    ("size", "most", "message"),
    [
        (50 * TB + 1, 99 * TB, "50.0 TB (50000000000001 bytes); the store holds 50.0 TB (50000000000000 bytes)"),
        (2_100_000_000_000, TB, "2.1 TB (2100000000000 bytes); MAX_BUNDLE allows 1.0 TB (1000000000000 bytes)"),
        (11, 10, "11 bytes; MAX_BUNDLE allows 10 bytes"),
    ],
)
def test_a_bundle_that_is_too_large_is_refused_with_both_sizes(size: int, most: int, message: str) -> None:
    check_bundle_size(min(most, 50 * TB), most)
    with pytest.raises(PermanentError) as caught:
        check_bundle_size(size, most)
    assert caught.value.message == f"The bundle would have {message}. Post the files in several carts."


@pytest.mark.parametrize(
    ("members", "windows"),
    [
        ([], []),
        ([512], [(1, 512)]),
        ([5 * MIB] * 9, [(4, 20 * MIB), (4, 20 * MIB), (1, 5 * MIB)]),
        ([2 * MIB] * 9, [(4, 8 * MIB), (4, 8 * MIB), (1, 2 * MIB)]),
        ([15 * MIB, 6 * MIB], [(1, 15 * MIB), (1, 6 * MIB)]),
        ([5 * MIB, 90 * MIB, 5 * MIB], [(1, 5 * MIB), (1, 90 * MIB), (1, 5 * MIB)]),
        ([4 * MIB, 90 * MIB, 5 * MIB], [(2, 94 * MIB), (1, 5 * MIB)]),
        ([MIB] * 6, [(5, 5 * MIB), (1, MIB)]),
    ],
)
def test_a_window_closes_before_a_member_that_does_not_fit(members: list[int], windows: list[tuple[int, int]]) -> None:
    assert list(cut_windows(members, SMALL)) == windows


@given(st.lists(st.integers(1, 30 * MIB), max_size=60), st.integers(1, 40 * MIB), st.integers(1, 20))
def test_windows_cover_all_members_in_order(members: list[int], size: int, files: int) -> None:
    at = 0
    windows = list(cut_windows(members, PartSizes(5 * MIB, size, files)))
    for count, length in windows:
        assert length == sum(members[at : at + count])
        at += count
    assert at == len(members)
    assert all(length >= 5 * MIB for _, length in windows[:-1])


@given(st.lists(st.integers(512, 30 * MIB), min_size=1, max_size=40), st.integers(1, 40 * MIB), st.integers(1, 20))
def test_a_generated_member_is_in_the_last_window_alone_unless_all_files_are_in_one(
    members: list[int], size: int, files: int
) -> None:
    windows = cut_bundle(members, 700, 1024, PartSizes(5 * MIB, size, files))
    assert sum(count for count, _ in windows) == len(members)
    assert sum(length for _, length in windows) == sum(members) + 1724
    assert windows[-1] == (0, 1724) or windows == [(len(members), sum(members) + 1724)]
    assert all(length >= 5 * MIB for _, length in windows[:-1])


@pytest.mark.parametrize(
    ("members", "windows"),
    [
        ([512], [(1, 512 + 3)]),
        ([15 * MIB, 6 * MIB], [(1, 15 * MIB), (1, 6 * MIB), (0, 3)]),
        ([15 * MIB, 14 * MIB, 4 * MIB], [(1, 15 * MIB), (2, 18 * MIB), (0, 3)]),
        ([18 * MIB, 4 * MIB], [(2, 22 * MIB + 3)]),
    ],
)
def test_a_window_too_short_for_a_part_joins_the_one_before_if_a_generated_one_follows(
    members: list[int], windows: list[tuple[int, int]]
) -> None:
    assert cut_bundle(members, 2, 1, SMALL) == windows


def test_the_last_window_may_be_too_short_for_a_part_if_none_follows() -> None:
    windows = [(1, 15 * MIB), (2, 20 * MIB), (1, MIB + 1)]
    assert cut_bundle([15 * MIB, 14 * MIB, 6 * MIB, MIB], 0, 1, SMALL) == windows


@given(st.integers(1, 50 * TB), st.integers(5 * MIB, 5 * GIB))
def test_parts_are_even_and_of_a_size_that_the_store_accepts(length: int, part_size: int) -> None:
    parts = split_window(min(length, 20_000 * part_size), part_size)
    assert sum(parts) == min(length, 20_000 * part_size)
    assert max(parts) - min(parts) <= 1
    assert max(parts) <= max(part_size, 10 * MIB)
    assert min(parts) >= 5 * MIB or len(parts) == 1
