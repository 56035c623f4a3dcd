"""Adds the job that reconciles the volume with the table of its files: only workers see the volume."""

from __future__ import annotations

from chalicelib.job_message import JobMessage
from chalicelib.stores.jobs import JobStore


class VolumeReconcile:
    def __init__(self, jobs: JobStore, every: float) -> None:
        """`every`: seconds between two of these jobs, however many sweeps there are."""
        self._jobs = jobs
        self._every = every

    def run(self) -> list[JobMessage]:
        return self._jobs.add_reconcile(self._every)
