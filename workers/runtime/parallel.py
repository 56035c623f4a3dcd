"""A function over many items on a shared thread pool, with a bounded number in flight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from functools import partial
from itertools import islice
from threading import current_thread
from typing import TypeVar

from chalicelib.config.log_context import submit
from workers.runtime.steps import steps

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
    second and may raise. The work's log lines carry the fields of the caller's. Raises what `work`, `items` and `check`
    raise; then, and when the generator is closed early, it first waits for the items in flight.
    """
    waiting, working = iter(items), partial(_watched, work)
    in_flight: set[Future[Result]] = set()
    try:
        while True:
            for item in islice(waiting, limit - len(in_flight)):
                in_flight.add(submit(pool, working, item))
            if not in_flight:
                return
            done, in_flight = wait(in_flight, CHECKED_EVERY, FIRST_COMPLETED)
            check()
            yield from [future.result() for future in done]
    finally:
        for future in in_flight:
            future.cancel()
        wait(in_flight)


def _watched(work: Callable[[Item], Result], item: Item) -> Result:
    with steps.working(f"thread {current_thread().name}"):
        return work(item)
