"""Run a function over many items on a shared pool, a bounded number at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, as_completed, wait
from dataclasses import dataclass
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

TURN = 8  # items after which a lane queues up behind those of other jobs
AHEAD = 64  # items that wait for the pool or are on it while more are made
TOLD_WITHIN = 0.02  # seconds in which results are gathered before they are told


@dataclass(frozen=True, slots=True)
class _Came(Generic[Result]):
    results: list[Result]


def each(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], most: int, check: Callable[[], None]
) -> Iterator[Result]:
    """Results as they come, in any order, by up to `most` lanes, which share the pool fairly with other jobs'.

    A lane takes item after item by itself: to hand out each from here would be two switches of threads an item.
    Raises what `work` or `check` raises; then, and when it is closed early, it waits for the items under way.
    """
    waiting, lock, stop = iter(items), threading.Lock(), threading.Event()
    told: SimpleQueue[_Came[Result] | Future[bool]] = SimpleQueue()

    def lane() -> bool:
        """Do some items, telling of several at once where they are quick; whether there may be more."""
        results: list[Result] = []
        since = time.monotonic()
        try:
            for _ in range(TURN):
                with lock:
                    some = [] if stop.is_set() else list(islice(waiting, 1))
                if not some:
                    return False
                results.append(work(some[0]))
                if time.monotonic() - since > TOLD_WITHIN:
                    told.put(_Came(results))
                    results, since = [], time.monotonic()
            return True
        finally:
            told.put(_Came(results))

    def started() -> Future[bool]:
        future = pool.submit(lane)
        future.add_done_callback(told.put)
        return future

    lanes = {started() for _ in range(most)}
    try:
        while lanes:
            try:
                came = told.get(timeout=1.0)
            except Empty:
                check()
                continue
            check()
            if isinstance(came, _Came):
                yield from came.results
                continue
            lanes.remove(came)
            if came.result():
                lanes.add(started())
    finally:
        stop.set()
        for future in lanes:
            future.cancel()
        wait(lanes)


def ahead(pool: Executor, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Results as they come, in any order, of items that this thread makes while the pool works on earlier ones.

    Raises what `work` raises; then, and when it is closed early, it waits for the items under way.
    """
    under_way: set[Future[Result]] = set()
    try:
        for item in items:
            under_way.add(pool.submit(work, item))
            done, under_way = wait(under_way, None if len(under_way) == AHEAD else 0, FIRST_COMPLETED)
            yield from [future.result() for future in done]
        for future in as_completed(under_way):
            yield future.result()
    finally:
        for future in under_way:
            future.cancel()
        wait(under_way)
