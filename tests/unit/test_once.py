"""What is made once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.api.once import once


def test_threads_that_come_at_once_get_the_same_one() -> None:
    made = []

    @once
    def slow() -> object:
        time.sleep(0.1)
        made.append(object())
        return made[-1]

    with ThreadPoolExecutor(8) as pool:
        got = set(pool.map(lambda _: slow(), range(8)))
    assert got == set(made)
    assert len(made) == 1


def test_what_could_not_be_made_is_tried_again() -> None:
    tries = []

    @once
    def flaky() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError
        return len(tries)

    with pytest.raises(ValueError):  # noqa: PT011  nothing else is in it
        flaky()
    assert (flaky(), flaky()) == (2, 2)
