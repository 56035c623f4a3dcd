"""Double of workers.stores.tape_looks.TapeLookStore."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tests.doubles.database import MemoryDatabase, RecallRow
from workers.stores.recalls import ANSWERED
from workers.stores.tape_looks import KEPT, SECOND, DueLooks, Look, LookPolicy, OnTape

LOOKS = LookPolicy(per_second=20)


class MemoryTapeLookStore:
    def __init__(self, database: MemoryDatabase, policy: LookPolicy = LOOKS) -> None:
        self._db = database
        self.policy = policy

    def lock(self) -> tuple[float, float]:
        self._db.require_transaction()
        return self._db.now, self._db.tables.archive_looks[1]

    def take(self) -> DueLooks:
        now, next_at = self.lock()
        if now < next_at <= now + SECOND:
            return DueLooks([], next_at - now)
        rows = self._db.tables.recalls
        due = [(row.next_look_at, name) for name, row in rows.items() if row.next_look_at is not None]
        oldest = [name for at, name in sorted(due) if at <= now][: self.policy.per_second]
        gone = [name for name in oldest if rows[name].job_id not in self._db.tables.jobs]
        looks = [_look(name, rows[name]) for name in oldest if name not in gone]
        for name in gone:
            del rows[name]
        for look in looks:
            row = rows[look.archive_id]
            interval = max(self.policy.shortest_interval, (now - row.claimed_at) / 8)
            until = now + min(self.policy.longest_interval, interval)
            rows[look.archive_id] = replace(row, next_look_at=until, looks=row.looks + 1)
        if looks:
            self._db.tables.archive_looks[1] = now + SECOND
        alive = {name for name, row in rows.items() if row.job_id in self._db.tables.jobs}
        first = max(0.0, min(at for at, _ in due) - now) if alive else None
        return DueLooks(looks, SECOND if looks else 0.0 if gone else first)

    def record(self, looks: Sequence[Look]) -> None:
        now, _ = self.lock()
        self._db.tables.archive_looks[1] = now + SECOND
        rows = self._db.tables.recalls
        for look in looks:
            row = rows.get(look.archive_id)
            if row is None or row.job_id == ANSWERED or not (look.changed or look.is_answered):
                continue
            row = replace(row, failing_s=look.failing_s, failing_at=look.failing_at, failing_reason=look.failing_reason)
            if look.is_answered:
                row = replace(row, size=look.size, mtime_ns=look.mtime_ns, job_id=ANSWERED, requested_at=None)
                row = replace(row, next_look_at=None, claimed_until=now + KEPT, owner="")
            rows[look.archive_id] = row

    def jobs_of(self, looks: Sequence[Look]) -> list[int]:
        rows = self._db.tables.recalls
        recalled = {rows[look.archive_id].job_id for look in looks if look.archive_id in rows}
        return sorted(recalled - {ANSWERED})

    def answers(self, archive_ids: Iterable[str]) -> dict[str, Look]:
        rows = self._db.tables.recalls
        found = {name: rows[name] for name in archive_ids if name in rows and rows[name].job_id == ANSWERED}
        return {name: replace(_look(name, row), size=row.size, mtime_ns=row.mtime_ns) for name, row in found.items()}

    def on_tape(self, cart_id: int, first: int, files: int) -> OnTape:
        entries = self._db.tables.entries
        window = [entries[cart_id, n] for n in range(first, first + files) if (cart_id, n) in entries]
        on_tape = [entry for entry in window if entry.on_tape]
        return OnTape(len(on_tape), sum(self._is_changed(entry.archive_id) for entry in on_tape))

    def _is_changed(self, archive_id: str) -> bool:
        row = self._db.tables.recalls.get(archive_id)
        if row is None or row.job_id not in self._db.tables.jobs:
            return True
        return row.requested_at is None and row.claimed_until <= self._db.now


def _look(archive_id: str, row: RecallRow) -> Look:
    return Look(archive_id, row.owner, row.failing_s, row.failing_at, row.failing_reason)
