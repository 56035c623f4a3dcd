"""Adds the job that reconciles the volume with the table of its files: only workers see the volume."""

from __future__ import annotations

from chalicelib.db.database import Database
from chalicelib.job_message import JobMessage
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.space_account import SpaceAccountStore


class QueueReconcile:
    def __init__(self, database: Database, account: SpaceAccountStore, jobs: JobStore, every: float) -> None:
        """`every`: seconds between two of these jobs, however many sweeps there are."""
        self._database = database
        self._account = account
        self._jobs = jobs
        self._every = every

    def run(self) -> list[JobMessage]:
        def write() -> list[JobMessage]:
            return [self._jobs.add_reconcile()] if self._account.begin_reconcile(self._every) else []

        return self._database.transaction(write)
