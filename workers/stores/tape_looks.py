"""When recalled files are looked at, and what was found: one look for all carts that wait for a file.

A look is taken before it is made, so that no two workers look at one file, and the next looks of anybody are not before
a second has passed. What a killed worker did not look at is due again after the file's interval. Files that are online,
and those that the archive does not deliver, keep their rows as answers until every cart must have read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import peewee
from peewee import JOIN

from chalicelib.db.database import Database, chunks
from chalicelib.db.models import Entries, Jobs
from chalicelib.db.volume_models import ArchiveLooks, Recalls
from workers.stores.recall_owners import RecallOwners
from workers.stores.recalls import ANSWERED, next_job

SECOND = 1.0
KEPT = 900.0  # seconds: carts read answers at least every few minutes


@dataclass(frozen=True, slots=True)
class LookPolicy:
    """`per_second`: looks by all workers together. A file's interval, in seconds, grows with its wait."""

    per_second: int
    shortest_interval: float = 2.0
    longest_interval: float = 300.0


@dataclass(slots=True)
class Look:
    """A look at a recalled file. `error`: why it is given up; `failing_*`, size and mtime are as in CartEntry.

    `changed`: whether it failed, or failed before and does no more.
    """

    archive_id: str
    owner: str
    failing_s: float = 0.0
    failing_at: float | None = None
    failing_reason: str = ""
    size: int | None = None
    mtime_ns: int | None = None
    error: str = ""
    changed: bool = False

    @property
    def is_answered(self) -> bool:
        """Whether no further look is needed: the file is online, or given up."""
        return self.size is not None or self.error != ""


class DueLooks(NamedTuple):
    """`wait`: seconds until the next looks may be due; None when no file is recalled."""

    looks: Sequence[Look]
    wait: float | None


class OnTape(NamedTuple):
    """Entries of a window that are on tape, and how many of these have an answer or need a recall."""

    entries: int
    changed: int


class TapeLookStore:
    def __init__(self, database: Database, policy: LookPolicy) -> None:
        self._db = database
        self._policy = policy
        self._owners = RecallOwners(database)

    def lock(self) -> tuple[float, float]:
        """Lock the one row, within the caller's transaction. Returns the time now, and when looks may be made next."""
        row = self._db.upsert(
            ArchiveLooks.insert(id=1), [ArchiveLooks.id], [], {ArchiveLooks.next_at: ArchiveLooks.next_at}
        )
        row.execute(self._db.peewee)
        query = ArchiveLooks.select(self._db.now, ArchiveLooks.next_at).where(ArchiveLooks.id == 1)
        now, next_at = query.tuples().first(self._db.peewee)
        return float(now), float(next_at)

    def take(self) -> DueLooks:
        """Take the looks that are due, the oldest first, within the caller's transaction."""
        now, next_at = self.lock()
        if now < next_at <= now + SECOND:  # further away: the clock was set back
            return DueLooks([], next_at - now)
        due = Recalls.next_look_at <= now
        rows = self._oldest(due)
        looks = [Look(*values) for *values, job_id in rows if job_id is not None]
        if looks:
            self._take([look.archive_id for look in looks], now)
        if gone := [archive_id for archive_id, *_, job_id in rows if job_id is None]:
            self._owners.delete(_among(self._db.listed(gone)), due)
        return DueLooks(looks, SECOND if looks else 0.0 if gone else self._until_next(now))

    def record(self, looks: Sequence[Look]) -> None:
        """Record what looks found, within the caller's transaction; the next ones are a second away.

        A file that is still on tape, and did not fail, needs no record.
        """
        now, _ = self.lock()
        self._wait_until(now + SECOND)
        answered = [look for look in looks if look.is_answered]
        failing = [look for look in looks if look.changed and not look.is_answered]
        for some in (answered, failing):
            if some:
                which = (_among(self._db.listed([look.archive_id for look in some])), Recalls.job_id != ANSWERED)
                values = {name: _by_id(some, name) for name in ("failing_s", "failing_at", "failing_reason")}
                Recalls.update(**values).where(*which).execute(self._db.peewee)
        if answered:
            self._answer(answered, now)

    def jobs_of(self, looks: Sequence[Look]) -> list[int]:
        """The jobs that have recalled these files."""
        query = Recalls.select(Recalls.job_id).distinct()
        which = _among(self._db.listed([look.archive_id for look in looks]))
        with self._db.session() as db:
            return [row[0] for row in query.where(which, Recalls.job_id != ANSWERED).tuples().execute(db)]

    def answers(self, archive_ids: Iterable[str]) -> dict[str, Look]:
        """What was found of those of these files that are answered."""
        found: dict[str, Look] = {}
        with self._db.session() as db:
            for ids in chunks(sorted(set(archive_ids))):
                query = Recalls.select(*_LOOK, Recalls.size, Recalls.mtime_ns)
                rows = query.where(_among(self._db.listed(ids)), Recalls.job_id == ANSWERED).tuples().execute(db)
                found |= {row[0]: Look(*row) for row in rows}
        return found

    def on_tape(self, cart_id: int, first: int, files: int) -> OnTape:
        """Of `files` entries of the cart from `first` on."""
        lapsed = Recalls.requested_at.is_null() & (Recalls.claimed_until <= self._db.now)
        changed = peewee.Case(None, [(Jobs.id.is_null() | lapsed, 1)], 0)  # an answer is of no job
        query = Entries.select(peewee.fn.COUNT(Entries.position), peewee.fn.SUM(changed))
        query = query.join(Recalls, JOIN.LEFT_OUTER, on=Recalls.archive_id == Entries.archive_id)
        query = query.join(Jobs, JOIN.LEFT_OUTER, on=Jobs.id == Recalls.job_id)
        window = Entries.position.between(first, first + files - 1)
        with self._db.session() as db:
            row = query.where(Entries.cart_id == cart_id, window, Entries.on_tape == 1).tuples().first(db)
        return OnTape(int(row[0]), int(row[1] or 0))

    def _oldest(self, due: Any) -> list[Any]:
        """The rows whose looks are due, each with its job's id, None where the job is gone."""
        query = Recalls.select(*_LOOK, Jobs.id).join(Jobs, JOIN.LEFT_OUTER, on=Jobs.id == Recalls.job_id)
        oldest = query.where(due).order_by(Recalls.next_look_at).limit(self._policy.per_second)
        return list(oldest.tuples().execute(self._db.peewee))

    def _take(self, ids: Sequence[str], now: float) -> None:
        policy = self._policy
        interval = (now - Recalls.claimed_at) / 8
        shortest, longest = policy.shortest_interval, policy.longest_interval
        bounded = peewee.Case(None, [(interval < shortest, shortest), (interval > longest, longest)], interval)
        query = Recalls.update(next_look_at=now + bounded, looks=Recalls.looks + 1)
        query.where(_among(self._db.listed(ids))).execute(self._db.peewee)
        self._wait_until(now + SECOND)

    def _wait_until(self, at: float) -> None:
        ArchiveLooks.update(next_at=at).where(ArchiveLooks.id == 1).execute(self._db.peewee)

    def _until_next(self, now: float) -> float | None:
        """Seconds; None when no job needs a file that is recalled."""
        job_id = next_job(self._db, 0)
        while job_id is not None and not Jobs.select(Jobs.id).where(Jobs.id == job_id).exists(self._db.peewee):
            job_id = next_job(self._db, job_id)
        first = Recalls.select(peewee.fn.MIN(Recalls.next_look_at)).scalar(self._db.peewee)
        return None if first is None or job_id is None else max(0.0, float(first) - now)

    def _answer(self, looks: Sequence[Look], now: float) -> None:
        which = (_among(self._db.listed([look.archive_id for look in looks])), Recalls.job_id != ANSWERED)
        values = {"size": _by_id(looks, "size"), "mtime_ns": _by_id(looks, "mtime_ns")}
        ended = {"job_id": ANSWERED, "requested_at": None, "next_look_at": None, "claimed_until": now + KEPT}
        Recalls.update(**values).where(*which).execute(self._db.peewee)
        self._owners.release(*which, **ended)


_LOOK = (Recalls.archive_id, Recalls.owner, Recalls.failing_s, Recalls.failing_at, Recalls.failing_reason)


def _among(listed: Any) -> Any:
    return Recalls.archive_id.in_(listed)


def _by_id(looks: Sequence[Look], name: str) -> Any:
    return peewee.Case(Recalls.archive_id, [(look.archive_id, getattr(look, name)) for look in looks])
