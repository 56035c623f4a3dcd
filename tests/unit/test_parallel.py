"""A function over many items on a shared pool: each item once, bounded, fair, and nothing left in flight."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from workers.runtime.parallel import parallel_map

LIMIT = 64


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, LIMIT - 1, LIMIT, 3 * LIMIT])
@pytest.mark.parametrize("limit", [1, 3, 8, LIMIT])
def test_every_item_is_yielded_once(pool: ThreadPoolExecutor, count: int, limit: int) -> None:
    results = parallel_map(pool, lambda item: item * 2, range(count), limit)
    assert sorted(results) == [2 * number for number in range(count)]


def test_no_more_than_the_limit_are_in_flight(pool: ThreadPoolExecutor) -> None:
    lock, now, peak = threading.Lock(), [0], [0]

    def work(item: int) -> int:
        with lock:
            now[0] += 1
            peak[0] = max(peak[0], now[0])
        time.sleep(0.002)
        with lock:
            now[0] -= 1
        return item

    assert len(list(parallel_map(pool, work, range(60), 2))) == 60
    assert peak[0] == 2


def test_items_are_consumed_no_further_ahead_than_the_limit(pool: ThreadPoolExecutor) -> None:
    made, done = 0, 0

    def items() -> Iterator[int]:
        nonlocal made
        for made in range(1, 4 * LIMIT):
            assert made - done <= LIMIT + 4  # those that have completed but are not yielded yet
            yield made

    for _ in parallel_map(pool, lambda item: time.sleep(0.001), items(), LIMIT):
        done += 1
    assert made == done


def test_an_exception_of_the_work_ends_the_rest(pool: ThreadPoolExecutor) -> None:
    done: list[int] = []

    def work(item: int) -> int:
        if item == 20:
            raise ValueError("twenty")
        done.append(item)
        return item

    with pytest.raises(ValueError, match="twenty"):
        list(parallel_map(pool, work, range(10_000), 2))
    assert len(done) < 10_000


def test_an_exception_of_the_work_waits_for_the_items_in_flight(pool: ThreadPoolExecutor) -> None:
    ended = []

    def work(item: int) -> int:
        if item == 3:
            raise OSError("disk full")
        time.sleep(0.05)
        ended.append(item)
        return item

    with pytest.raises(OSError, match="disk full"):
        list(parallel_map(pool, work, range(20), LIMIT))
    count = len(ended)
    time.sleep(0.1)
    assert len(ended) == count


def test_an_exception_of_the_check_waits_for_the_items_in_flight(pool: ThreadPoolExecutor) -> None:
    in_flight = [0]

    def work(item: int) -> int:
        in_flight[0] += 1
        time.sleep(0.01)
        in_flight[0] -= 1
        return item

    def check() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(parallel_map(pool, work, range(1000), 4, check))
    assert in_flight == [0]


def test_an_exception_of_the_items_waits_for_those_in_flight(pool: ThreadPoolExecutor) -> None:
    in_flight = [0]

    def work(item: int) -> None:
        in_flight[0] += 1
        time.sleep(0.02)
        in_flight[0] -= 1

    def items() -> Iterator[int]:
        yield from range(3)
        raise OSError("the archive broke")

    with pytest.raises(OSError, match="archive broke"):
        list(parallel_map(pool, work, items(), LIMIT))
    assert in_flight == [0]


def test_jobs_take_turns_on_the_pool() -> None:
    """A job of many items does not keep another's few waiting until it is done."""
    ended: dict[str, int] = {}
    with ThreadPoolExecutor(1) as pool:

        def run(name: str, items: int) -> None:
            for _ in parallel_map(pool, lambda _: time.sleep(0.001), range(items), 4):
                pass
            ended[name] = len(ended)

        threads = [threading.Thread(target=run, args=given) for given in (("many", 400), ("few", 10))]
        for thread in threads:
            thread.start()
            time.sleep(0.02)
        for thread in threads:
            thread.join()
    assert ended == {"few": 0, "many": 1}
