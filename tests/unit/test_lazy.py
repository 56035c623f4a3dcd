"""Values built at their first use."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.api.lazy import lazy


def test_threads_that_start_together_get_the_same_value() -> None:
    built = []

    @lazy
    def slow() -> object:
        time.sleep(0.1)
        built.append(object())
        return built[-1]

    with ThreadPoolExecutor(8) as pool:
        values = set(pool.map(lambda _: slow(), range(8)))
    assert values == set(built)
    assert len(built) == 1


def test_after_a_failure_the_next_use_builds_again() -> None:
    tries = []

    @lazy
    def flaky() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError
        return len(tries)

    with pytest.raises(ValueError):  # noqa: PT011  raised bare above
        flaky()
    assert (flaky(), flaky()) == (2, 2)
