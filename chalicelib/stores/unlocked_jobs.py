"""Updates of many waiting jobs, without those that others are writing.

So they never wait for a worker that stands still, and cannot deadlock with a claim.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.db.database import Database
from chalicelib.db.models import Jobs
from chalicelib.errors import DatabaseUnavailable

log = logging.getLogger(__name__)


def update_unlocked(database: Database, job_ids: Sequence[int], which: Any, changes: Mapping[str, Any]) -> None:
    """Change these jobs where `which` still holds.

    By their ids: a range of an index that is locked first and the rows then could deadlock with a claim.
    """
    if database.is_mysql:
        database.transaction(lambda: _update(database, job_ids, which, changes))
        return
    with database.writing() as db:  # one statement at a time writes anyway
        Jobs.update(**changes).where(Jobs.id.in_(job_ids), which).execute(db)


def go_to_the_end(database: Database, cart_id: int) -> None:
    """Let the cart's waiting jobs go to the end of their line; they keep their places if the database fails."""
    stands = (Jobs.cart_id == cart_id) & (Jobs.ready == 1)
    try:
        with database.session() as db:
            ids = [job_id for (job_id,) in Jobs.select(Jobs.id).where(stands).tuples().execute(db)]
        if ids:
            update_unlocked(database, ids, stands, {"due_at": database.now})
    except DatabaseUnavailable as error:  # the claim before it holds
        log.warning("the jobs of cart %d keep their places in line: %s", cart_id, error.message)


def _update(database: Database, job_ids: Sequence[int], which: Any, changes: Mapping[str, Any]) -> None:
    query: Any = Jobs.select(Jobs.id).where(Jobs.id.in_(sorted(job_ids)), which)
    unlocked = query.for_update("FOR UPDATE SKIP LOCKED").tuples()
    if ids := [job_id for (job_id,) in unlocked.execute(database.peewee)]:
        Jobs.update(**changes).where(Jobs.id.in_(ids)).execute(database.peewee)
