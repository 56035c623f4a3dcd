"""The SQL of the previous release where this one stores the same thing differently, as that release ran it."""

from __future__ import annotations

from typing import Any

from chalicelib.db.database import Database, execute
from chalicelib.job_message import JobMessage
from chalicelib.stores.job_row import Job

LEASE = 30


class PreviousRelease:
    """Statements of chalicelib.stores.jobs and chalicelib.sweep.lost_messages at schema version 5."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def claim(self, message: JobMessage) -> Job | None:
        taken = self._change(
            "token = token + 1, attempts = attempts + 1, sends = 0,"
            f" lease_until = {{now}} + {LEASE}, next_send_at = {{now}} + {LEASE}",
            f"id = {message.job_id} AND lease_until <= {{now}}"
            f" AND (token = {message.token} OR next_send_at <= {{now}})",
        )
        columns = "id, cart_id, kind, `window`, attempts, token, progress_at, last_error"
        return Job(*self._rows(f"SELECT {columns} FROM jobs WHERE id = {message.job_id}")[0]) if taken else None

    def defer(self, job: Job, reason: str) -> bool:
        waits = f"attempts = 0, lease_until = 0, last_error = 'waits: {reason}'"
        return self._change(f"{waits}, sends = 0, next_send_at = {{now}} + {LEASE}", _is(job))

    def park(self, job: Job, reason: str, window: int) -> bool:
        waits = f"attempts = 0, lease_until = 0, last_error = 'waits: {reason}'"
        return self._change(f"{waits}, sends = -1, `window` = {window}, next_send_at = {{now}}", _is(job))

    def release(self, job: Job, error: str) -> bool:
        return self._change(f"lease_until = 0, next_send_at = {{now}} + {LEASE}, last_error = '{error}'", _is(job))

    def unsent(self, job_id: int) -> None:
        """What the sweep wrote of a job whose message the queue did not take."""
        self._change("sends = -1, next_send_at = {now}", f"id = {job_id} AND lease_until <= {{now}}")

    def due(self, *, with_message: bool) -> list[int]:
        """Jobs the sweep found due: those with a message it resent where messages were missing."""
        which = "sends > -1" if with_message else "sends = -1"
        due = f"next_send_at <= {{now}} AND lease_until <= {{now}} AND {which}"
        return [row[0] for row in self._rows(f"SELECT id FROM jobs WHERE {due} ORDER BY next_send_at")]

    def last_error(self, cart_id: int) -> str:
        where = f"cart_id = {cart_id} AND last_error <> '' ORDER BY progress_at DESC"
        rows = self._rows(f"SELECT last_error FROM jobs WHERE {where}")
        return str(rows[0][0]) if rows else ""

    def _change(self, changes: str, where: str) -> bool:
        with self._db.session() as db:
            return bool(execute(db, f"UPDATE jobs SET {changes} WHERE {where}".format(now=self._db.now.sql)).rowcount)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._db.session() as db:
            return list(execute(db, query.format(now=self._db.now.sql)).fetchall())


def _is(job: Job) -> str:
    return f"id = {job.id} AND token = {job.token}"
