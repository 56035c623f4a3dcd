"""Builds what watches a worker and measures it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import psutil

from chalicelib.metrics.counting import counts
from chalicelib.stores.worker_states import WorkerStateStore
from chalicelib.wiring import System
from workers.files.volume import Volume
from workers.runtime.consumer import Consumer
from workers.runtime.measures import WorkerMeasures
from workers.runtime.steps import steps
from workers.runtime.volume_gauge import VolumeGauge
from workers.runtime.worker_watch import Identified, WatchPolicy, WorkerWatch


class Measuring:
    """`start` and `stop` are for a process that is a worker; without them only the row is kept."""

    def __init__(
        self,
        system: System,
        policy: WatchPolicy,
        volume: Volume,
        consumer: Callable[[], Consumer],
        repairs: Callable[[], Mapping[str, int]],
    ) -> None:
        """`consumer` is called when the worker runs: its heartbeat needs the watch."""
        self._system = system
        self._policy = policy
        self._volume = volume
        self._consumer = consumer
        self._repairs = repairs

    def start(self) -> None:
        settings = self._system.settings
        self.watch.start()
        if settings.metrics_address or settings.metrics_emf:
            self._gauge.start()
        if settings.metrics_address:
            self._measures.serve(settings.metrics_address)
        if settings.metrics_emf:
            self._measures.write_to_log(settings.metrics_namespace)

    def stop(self) -> None:
        """The worker has drained."""
        self.watch.stop()

    @cached_property
    def watch(self) -> WorkerWatch:
        system, settings = self._system, self._system.settings
        worker, states = Identified(system.process, settings.revision), WorkerStateStore(system.database)
        return WorkerWatch(
            worker,
            states,
            self._held,
            lambda: self._consumer().threads_run,
            steps,
            settings.liveness_file,
            self._policy,
        )

    @cached_property
    def _measures(self) -> WorkerMeasures:
        return WorkerMeasures(counts, self.watch, steps, self._held, self._gauge, self._repairs)

    @cached_property
    def _gauge(self) -> VolumeGauge:
        path = str(self._system.settings.volume_path)
        return VolumeGauge(self._volume.capacity, lambda: 1 - psutil.disk_usage(path).percent / 100)

    def _held(self) -> list[int]:
        return self._consumer().held()
