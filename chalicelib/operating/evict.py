"""Frees staged files that no window needs. Workers own the volume: this marks the files, and a job evicts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.caller import Caller
from chalicelib.db.database import Database
from chalicelib.job_message import JobMessage
from chalicelib.stores.audit import AuditAction, AuditStore
from chalicelib.stores.eviction_marks import EvictionMarks
from chalicelib.stores.jobs import JobStore
from chalicelib.sweep.message_sender import MessageSender

IDS = 1000  # that the audit names


@dataclass(frozen=True, slots=True)
class Wanted:
    """These files; or those used longest ago, of at least that many bytes in all; or, without both, all of them."""

    archive_ids: Sequence[str] = ()
    least_used: int | None = None


class Evict:
    def __init__(
        self, database: Database, marks: EvictionMarks, jobs: JobStore, audit: AuditStore, sender: MessageSender
    ) -> None:
        self._db = database
        self._marks = marks
        self._jobs = jobs
        self._audit = audit
        self._sender = sender

    def run(self, caller: Caller, wanted: Wanted) -> int:
        """Mark the files and add the job; return how many were marked."""
        self._audit.record(caller, AuditAction.EVICT, details=_asked(wanted))
        marked = self._marks.mark(wanted.archive_ids) if wanted.archive_ids else self._mark_least_used(wanted)
        if marked:
            self._sender.send([self._db.transaction(self._add_job)])
        return marked

    def left(self) -> tuple[int, int]:
        """Files that are still to be evicted, and their bytes."""
        return self._marks.left()

    def wait(self, attempts: int, pause: Callable[[], None], say: Callable[[int], None]) -> bool:
        """Look up to `attempts` times whether all are evicted, or needed after all; `say` is told how many are left."""
        for _ in range(attempts):
            files, _size = self._marks.left()
            if not files:
                return True
            say(files)
            pause()
        return False

    def _mark_least_used(self, wanted: Wanted) -> int:
        marked = size = 0
        while found := self._marks.least_used():
            some: list[str] = []
            for archive_id, bytes_ in found:
                if wanted.least_used is not None and size >= wanted.least_used:
                    break
                some.append(archive_id)
                size += bytes_
            if not some:
                break
            marked += self._marks.mark(some)
        return marked

    def _add_job(self) -> JobMessage:
        return self._jobs.add_evict()


def _asked(wanted: Wanted) -> dict[str, Any]:
    if wanted.archive_ids:
        return {"files": len(wanted.archive_ids), "ids": [*wanted.archive_ids[:IDS]]}
    return {"bytes": "all" if wanted.least_used is None else wanted.least_used}
