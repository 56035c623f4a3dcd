"""Measures the worker: what it shows to Prometheus, and what it writes to its log for CloudWatch."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from chalicelib.metrics import definitions as metrics
from chalicelib.metrics.counting import Counts
from chalicelib.metrics.emf import EmfWriter
from chalicelib.metrics.sample import Sample
from workers.runtime.steps import Steps
from workers.runtime.volume_gauge import VolumeGauge
from workers.runtime.worker_watch import WorkerWatch

WRITTEN_EVERY = 60.0  # seconds

log = logging.getLogger(__name__)


class WorkerMeasures:
    def __init__(
        self,
        counts: Counts,
        watch: WorkerWatch,
        steps: Steps,
        held: Callable[[], Sequence[int]],
        volume: VolumeGauge,
        repairs: Callable[[], Mapping[str, int]],
    ) -> None:
        """`repairs`: what the worker has repaired since it started, by kind."""
        self._counts = counts
        self._watch = watch
        self._steps = steps
        self._held = held
        self._volume = volume
        self._repairs = repairs

    def samples(self) -> list[Sample]:
        """What the worker is at the moment; what it has counted is in `counts`."""
        return [
            Sample(metrics.WORKER_MEMORY, self._watch.memory),
            Sample(metrics.WORKER_JOBS, len(self._held())),
            Sample(metrics.WORKER_STEP, self._steps.stalest().ago),
            Sample(metrics.WORKER_HUNG, self._watch.hung),
            *self._volume.samples(),
            *(Sample(metrics.WORKER_REPAIRS, count, (kind,)) for kind, count in self._repairs().items()),
        ]

    def serve(self, address: str) -> int | None:
        """Serve them to Prometheus; returns the port, if one is free."""
        from chalicelib.metrics import exposition, server  # only where they are wanted

        return server.serve(address, exposition.registry(self._counts, self.samples))

    def write_to_log(self, namespace: str) -> None:
        """Write them to the log each minute, from now on."""
        writer = EmfWriter(namespace, self._counts, time.time)
        threading.Thread(target=self._write, args=(writer,), name="measures", daemon=True).start()

    def _write(self, writer: EmfWriter) -> None:
        while True:
            time.sleep(WRITTEN_EVERY)
            try:
                writer.run(self.samples())
            except Exception:  # measuring is no reason for a worker not to work
                log.exception("metrics were not written to the log")
