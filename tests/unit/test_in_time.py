"""Work with a time limit: what hangs is given up, and not begun again."""

from __future__ import annotations

import threading

import pytest

from chalicelib.health.in_time import InTime


def test_work_that_hangs_is_given_up_and_not_begun_twice() -> None:
    end, begun = threading.Event(), []

    def work() -> int:
        begun.append(1)
        end.wait()
        return len(begun)

    in_time = InTime(work, 0.01, "work")
    assert [in_time(), in_time()] == [None, None]
    assert len(begun) == 1
    end.set()
    again = InTime(lambda: 7, 60, "work")
    assert [again(), again()] == [7, 7]


def test_work_that_fails_raises_what_it_raised() -> None:
    def fails() -> int:
        raise ValueError("by nothing")

    with pytest.raises(ValueError, match="by nothing"):
        InTime(fails, 60, "work")()
