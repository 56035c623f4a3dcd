"""Run a function over many items on a shared pool, a bounded number at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, wait
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], most: int, check: Callable[[], None]
) -> Iterator[Result]:
    """Results as they come, in any order. `most` items are handed out at once, so that jobs share the pool fairly.

    Raises what `work` or `check` raises; then, and when it is closed early, it waits for the items under way.
    """
    waiting = iter(items)
    under_way: set[Future[Result]] = set()
    done: SimpleQueue[Future[Result]] = SimpleQueue()

    def hand_out(count: int) -> None:
        for item in islice(waiting, count):
            future = pool.submit(work, item)
            under_way.add(future)
            future.add_done_callback(done.put)

    try:
        hand_out(most)
        while under_way:
            try:
                future = done.get(timeout=1.0)
            except Empty:
                check()
                continue
            check()
            under_way.remove(future)
            hand_out(1)
            yield future.result()
    finally:
        for future in under_way:
            future.cancel()
        wait(under_way)
