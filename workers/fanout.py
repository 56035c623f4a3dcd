"""Run a function over many items on a shared pool, a bounded number at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from itertools import islice
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
    under_way: set[Future[Result]] = {pool.submit(work, item) for item in islice(waiting, most)}
    try:
        while under_way:
            done, under_way = wait(under_way, timeout=1.0, return_when=FIRST_COMPLETED)
            check()
            under_way |= {pool.submit(work, item) for item in islice(waiting, len(done))}
            for future in done:
                yield future.result()
    finally:
        for future in under_way:
            future.cancel()
        wait(under_way)
