"""The figures of the database and the depths of the queues, as samples of their metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from chalicelib.db.states import WaitsFor
from chalicelib.errors import DatabaseUnavailable, QueueUnavailable
from chalicelib.health.in_time import InTime
from chalicelib.metrics import definitions as metrics
from chalicelib.metrics.cached import Cached
from chalicelib.metrics.sample import Sample
from chalicelib.stores.figures import Figures, FigureStore, Wait
from chalicelib.stores.switches import Switch

#: Seconds for which figures are kept, so that scrapes cannot load the database.
KEPT = 5.0
#: Seconds in which the database must answer: less than a scrape may take.
WITHIN = 4.0

log = logging.getLogger(__name__)

#: The number of messages in a queue; raises QueueUnavailable.
Depth = Callable[[], int]


class FigureSamples:
    """Call it for the samples. It never raises: what is down is a sample, too. Thread-safe."""

    def __init__(
        self,
        figures: FigureStore,
        messages: Depth,
        dead_letters: Depth,
        close: Callable[[], None],
        within: float = WITHIN,
    ) -> None:
        """`close`: closes the thread's connection to the database, since each reading has a thread of its own.

        A database that has not answered `within` seconds counts as down.
        """
        self._figures = figures
        self._messages = messages
        self._dead_letters = dead_letters
        self._close = close
        self._in_time = InTime(self._of_database, within, "figures")
        self._cached = Cached(self._read, KEPT)

    def __call__(self) -> list[Sample]:
        return self._cached()

    def _read(self) -> list[Sample]:
        figures = self._in_time()
        if figures is None:
            log.warning("no figures: the database has not answered in time")
            figures = [Sample(metrics.DATABASE_UP, 0)]
        return [*figures, *self._of_queues()]

    def _of_database(self) -> list[Sample]:
        try:
            figures = self._figures.read()
        except DatabaseUnavailable as error:
            log.warning("no figures: %s", error.message)
            return [Sample(metrics.DATABASE_UP, 0)]
        finally:
            self._close()
        return [Sample(metrics.DATABASE_UP, 1), *_samples(figures)]

    def _of_queues(self) -> list[Sample]:
        messages = _depth(self._messages)
        if messages is None:
            return [Sample(metrics.QUEUE_UP, 0)]
        dead = _depth(self._dead_letters)
        found = [Sample(metrics.QUEUE_UP, 1), Sample(metrics.QUEUE_MESSAGES, messages)]
        return found if dead is None else [*found, Sample(metrics.DEAD_LETTERS, dead)]


def _depth(of: Depth) -> int | None:
    try:
        return of()
    except QueueUnavailable as error:
        log.warning("the depth of a queue is unknown: %s", error.message)
        return None


def _samples(figures: Figures) -> Iterator[Sample]:
    for state, carts in figures.carts.items():
        yield Sample(metrics.CARTS, carts, (state,))
    for kind_and_state, jobs in figures.jobs.items():
        yield Sample(metrics.JOBS, jobs, kind_and_state)
    # Also those that nothing waits for: an alarm on a value that is missing never ends.
    waits = {**{str(waits_for): Wait(0, 0.0) for waits_for in WaitsFor}, **figures.waits}
    for waits_for, wait in waits.items():
        yield Sample(metrics.JOBS_WAITING, wait.jobs, (waits_for,))
        yield Sample(metrics.LONGEST_WAIT, wait.longest, (waits_for,))
    for switch in Switch:
        yield Sample(metrics.PAUSED, switch in figures.paused, (switch,))
    yield Sample(metrics.OLDEST_UNFINISHED, figures.oldest_unfinished)
    yield Sample(metrics.NOTHING_READY, figures.nothing_ready)
    yield Sample(metrics.OLDEST_DUE, figures.oldest_due)
    yield Sample(metrics.RECALLS, figures.recalls)
    yield Sample(metrics.SPACE_USED, figures.space.used)
    yield Sample(metrics.SPACE_STAGED, figures.space.staged)
    yield Sample(metrics.SPACE_WANTED, figures.space.wanted)
    yield Sample(metrics.SPACE_WAIT, figures.space.longest_wait)
    yield Sample(metrics.NOTIFICATIONS, figures.notifications)
    yield Sample(metrics.WORKERS, figures.workers)
    yield Sample(metrics.WORKERS_HUNG, figures.workers_hung)
