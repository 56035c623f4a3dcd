"""Deletes the rows of workers that have not been seen for long: each process has a name of its own."""

from __future__ import annotations

from chalicelib.stores.worker_states import WorkerStateStore


class OldWorkers:
    def __init__(self, states: WorkerStateStore, unseen_for: float) -> None:
        """`unseen_for`: seconds."""
        self._states = states
        self._unseen_for = unseen_for

    def run(self) -> int:
        """The number of rows deleted."""
        return self._states.delete_unseen(self._unseen_for)
