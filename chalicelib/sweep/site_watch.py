"""Notes that the sweep has run, and says in its log that work waits while no worker is there."""

from __future__ import annotations

import logging

from chalicelib.stores.figures import FigureStore
from chalicelib.stores.sweep_times import SweepTimes

log = logging.getLogger(__name__)


class SiteWatch:
    def __init__(self, figures: FigureStore, times: SweepTimes, patience: float) -> None:
        """`patience`: seconds for which a job may have been due."""
        self._figures = figures
        self._times = times
        self._patience = patience

    def run(self) -> int:
        """1 if work waits for a worker and there is none."""
        self._times.note()
        figures = self._figures.read()
        if figures.workers or figures.oldest_due <= self._patience:
            return 0
        log.warning("no worker is there, and a job has been due for %.0f s", figures.oldest_due)
        return 1
