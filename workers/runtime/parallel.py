"""A function over many items on a shared thread pool, with a bounded number in flight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

CHECKED_EVERY = 1.0  # seconds


def parallel_map(
    pool: Executor,
    work: Callable[[Item], Result],
    items: Iterable[Item],
    limit: int,
    check: Callable[[], None] = lambda: None,
) -> Iterator[Result]:
    """Yield results as they complete, in any order, with at most `limit` items in flight.

    `items` is consumed in the calling thread, one item for each that completes. `check` is called at least once a
    second and may raise. Raises what `work`, `items` and `check` raise; then, and when the generator is closed early,
    it first waits for the items in flight.
    """
    waiting = iter(items)
    in_flight: set[Future[Result]] = set()
    try:
        while True:
            for item in islice(waiting, limit - len(in_flight)):
                in_flight.add(pool.submit(work, item))
            if not in_flight:
                return
            done, in_flight = wait(in_flight, CHECKED_EVERY, FIRST_COMPLETED)
            check()
            yield from [future.result() for future in done]
    finally:
        for future in in_flight:
            future.cancel()
        wait(in_flight)
