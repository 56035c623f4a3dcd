"""The service on a database alone: its messages are recorded, and there is no store."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, cast

from chalicelib.db.database import Database
from chalicelib.endings import CartEndings
from chalicelib.job_message import JobMessage
from chalicelib.service import CartService
from chalicelib.stores.carts import CartStore
from chalicelib.stores.entries import EntryStore
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.progress import ProgressStore
from chalicelib.sweep.dead_letters import DeadLetters
from chalicelib.sweep.expired_bundles import ExpiredBundles
from chalicelib.sweep.overdue_carts import OverdueCarts
from chalicelib.sweep.policy import SWEEP_POLICY, RetentionPolicy


class RecordingQueue:
    """A job queue that takes every message; `sent` has them all."""

    def __init__(self) -> None:
        self.sent: list[JobMessage] = []

    def send(self, messages: Sequence[JobMessage], delay: float = 0) -> list[JobMessage]:
        self.sent += messages
        return []


class NoBundles:
    """A bundle store without bundles."""

    def delete_bundle(self, key: str) -> None:
        pass


class Posting:
    """The stores of a database, and the service over them."""

    def __init__(self, database: Database, lease: float = 30) -> None:
        self.carts, self.entries, self.jobs = CartStore(database), EntryStore(database), JobStore(database, lease)
        self.endings, self.queue = CartEndings(self.carts, self.jobs), RecordingQueue()
        nothing = cast(Any, None)
        self.service = CartService(
            database=database,
            carts=self.carts,
            entries=self.entries,
            jobs=self.jobs,
            endings=self.endings,
            progress_store=ProgressStore(database),
            queue=cast(Any, self.queue),
            bundles=cast(Any, NoBundles()),
            uploads=nothing,
            clock=time.time,
        )

    def post(self, uid: str, *names: object) -> list[JobMessage]:
        """Post a cart of these files; the messages that were sent."""
        before = len(self.queue.sent)
        self.service.create("", uid, body(*names))
        return self.queue.sent[before:]


def body(*names: object) -> bytes:
    """A manifest of these files, each at the path of its id."""
    return json.dumps({"fileids": [{"id": str(name), "path": str(name)} for name in names]}).encode()


RETENTION = RetentionPolicy(ttl=3600, safe=0, limit=0, deadline=3600, orphan=0)


class DatabaseSweep:
    """The repairs of the sweep that need a database alone."""

    def __init__(self, database: Database, retention: RetentionPolicy = RETENTION) -> None:
        stores = Posting(database)
        carts, jobs, endings, limits = stores.carts, stores.jobs, stores.endings, SWEEP_POLICY
        self.overdue_carts = OverdueCarts(database, carts, jobs, endings, retention.deadline, limits.carts)
        self.expired_bundles = ExpiredBundles(database, carts, endings, retention, limits.carts)
        self.dead_letters = DeadLetters(database, cast(Any, None), jobs, endings, 0, 0)
