"""Many items on a shared pool: each once, a bounded number at once, fairly, and nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from workers.runtime.parallel import AHEAD, ahead, each


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made


def nothing() -> None:
    pass


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 100])
@pytest.mark.parametrize("most", [1, 3, 8])
def test_every_item_comes_out_once(pool: ThreadPoolExecutor, count: int, most: int) -> None:
    assert sorted(each(pool, lambda item: item * 2, range(count), most, nothing)) == [2 * n for n in range(count)]


def test_no_more_than_the_bound_are_under_way(pool: ThreadPoolExecutor) -> None:
    lock, now, peak = threading.Lock(), [0], [0]

    def work(item: int) -> int:
        with lock:
            now[0] += 1
            peak[0] = max(peak[0], now[0])
        time.sleep(0.002)
        with lock:
            now[0] -= 1
        return item

    assert len(list(each(pool, work, range(60), 2, nothing))) == 60
    assert peak[0] == 2


def test_what_the_work_raises_comes_out_and_ends_the_rest(pool: ThreadPoolExecutor) -> None:
    done: list[int] = []

    def work(item: int) -> int:
        if item == 20:
            raise ValueError("twenty")
        done.append(item)
        return item

    with pytest.raises(ValueError, match="twenty"):
        list(each(pool, work, range(10_000), 2, nothing))
    assert len(done) < 10_000


def test_what_the_check_raises_comes_out_when_the_items_under_way_are_done(pool: ThreadPoolExecutor) -> None:
    under_way = [0]

    def work(item: int) -> int:
        under_way[0] += 1
        time.sleep(0.01)
        under_way[0] -= 1
        return item

    def check() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(each(pool, work, range(1000), 4, check))
    assert under_way == [0]


def test_jobs_take_turns_on_the_pool() -> None:
    """A job of many items does not keep another's few waiting until it is done."""
    ended: dict[str, int] = {}
    with ThreadPoolExecutor(1) as pool:

        def run(name: str, items: int) -> None:
            for _ in each(pool, lambda _: time.sleep(0.001), range(items), 4, nothing):
                pass
            ended[name] = len(ended)

        threads = [threading.Thread(target=run, args=given) for given in (("many", 400), ("few", 10))]
        for thread in threads:
            thread.start()
            time.sleep(0.02)
        for thread in threads:
            thread.join()
    assert ended == {"few": 0, "many": 1}


@pytest.mark.parametrize("count", [0, 1, AHEAD - 1, AHEAD, 3 * AHEAD])
def test_what_is_made_ahead_comes_out_once(pool: ThreadPoolExecutor, count: int) -> None:
    assert sorted(ahead(pool, lambda item: item * 2, range(count))) == [2 * n for n in range(count)]


def test_no_more_is_made_ahead_than_the_bound(pool: ThreadPoolExecutor) -> None:
    made, done = 0, 0

    def items() -> Iterator[int]:
        nonlocal made
        for made in range(1, 4 * AHEAD):
            assert made - done <= AHEAD
            yield made

    for _ in ahead(pool, lambda item: time.sleep(0.001), items()):
        done += 1
    assert made == done


def test_what_the_work_ahead_raises_comes_out_when_the_items_under_way_are_done(pool: ThreadPoolExecutor) -> None:
    ended = []

    def work(item: int) -> int:
        if item == 3:
            raise OSError("disk full")
        time.sleep(0.05)
        ended.append(item)
        return item

    with pytest.raises(OSError, match="disk full"):
        list(ahead(pool, work, range(20)))
    count = len(ended)
    time.sleep(0.1)
    assert len(ended) == count
