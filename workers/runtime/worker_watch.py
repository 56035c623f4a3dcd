"""Watches the worker it runs in: touches the liveness file while no thread hangs, and keeps the worker's row."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from chalicelib.errors import CartError
from chalicelib.stores.worker_states import WorkerStateStore
from workers.runtime import liveness
from workers.runtime.steps import Steps

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WatchPolicy:
    """Seconds: without a step after which a thread hangs; between looks, which touch the file."""

    hung_after: float = 900.0
    every: float = 5.0


@dataclass(frozen=True, slots=True)
class Identified:
    """The worker's name, and the revision of its code."""

    name: str
    revision: str


class WorkerWatch:
    def __init__(
        self,
        worker: Identified,
        states: WorkerStateStore,
        held: Callable[[], Sequence[int]],
        threads_run: Callable[[], bool],
        steps: Steps,
        liveness_file: Path | None,
        policy: WatchPolicy,
    ) -> None:
        """`held`: the ids of the jobs that it holds. `threads_run`: whether those that receive and renew do."""
        self._worker = worker
        self._states = states
        self._held = held
        self._threads_run = threads_run
        self._steps = steps
        self._file = liveness_file
        self._policy = policy
        self._process = psutil.Process()
        self._stopped = threading.Event()
        self._why = ""  # it hangs

    def start(self) -> None:
        self._keep_row(lambda: self._states.started(self._worker.name, self._worker.revision))
        self._look()
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def stop(self) -> None:
        """The worker has drained."""
        self._stopped.set()
        self._keep_row(lambda: self._states.stopped(self._worker.name))

    def beat(self) -> None:
        """Write the worker's row. Called with each heartbeat; it raises nothing."""
        self._keep_row(self._write)

    @property
    def hung(self) -> bool:
        """Whether a thread hangs."""
        return bool(self._why)

    @property
    def memory(self) -> int:
        """Bytes of resident memory."""
        return int(self._process.memory_info().rss)

    def _run(self) -> None:
        while not self._stopped.wait(min(self._policy.every, self._policy.hung_after / 3)):
            self._look()

    def _look(self) -> None:
        before, self._why = self._why, self._what_hangs()
        if self._why and not before:
            log.error("This worker hangs: %s. Its liveness file is not touched any more.", self._why)
        elif before and not self._why:
            log.warning("This worker does not hang any more (until now: %s).", before)
        if self._file is not None and not self._why:
            liveness.touch(self._file)

    def _what_hangs(self) -> str:
        if not self._threads_run():
            return "the thread that receives messages, or the one that renews leases, has ended"
        last = self._steps.stalest()
        return f"no step for {last.ago:.0f} s ({last.what})" if last.ago > self._policy.hung_after else ""

    def _write(self) -> None:
        name, last = self._worker.name, self._steps.stalest()
        state = self._held(), last.what, last.ago, self.memory, self.hung
        if not self._states.seen(name, *state):  # the sweep deletes the rows of workers that it has not seen for a day
            self._states.started(name, self._worker.revision)
            self._states.seen(name, *state)

    def _keep_row(self, write: Callable[[], object]) -> None:
        try:
            write()
        except CartError as error:
            log.warning("the worker's row was not written: %s", error.message)
