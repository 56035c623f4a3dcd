"""The audit store: who did what to which cart. Records are inserted in the transaction of what they record.

Nothing changes a record afterwards but the seal that it gets (seals.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from chalicelib.caller import NOBODY, Caller
from chalicelib.db.access_models import AuditRecords
from chalicelib.db.database import Database, chunks
from chalicelib.db.statement import RowsStatement

IDS = 1000  # archive ids in one record
STATEMENT = 1 << 19  # characters of details after which a statement is full; the last record may be a megabyte

Row = dict[str, Any]

_COLUMNS = ("at", "actor", "action", "owner", "uid", "cart_id", "address", "details")
_FIELDS = [getattr(AuditRecords, name) for name in _COLUMNS]
_INSERT = RowsStatement(lambda _, rows: AuditRecords.insert_from(rows, _FIELDS))


class AuditAction(StrEnum):
    POST = "post"
    UPLOAD = "upload"
    DELETE = "delete"
    DOWNLOAD = "download"
    SHARE = "share"
    UNSHARE = "unshare"
    REFUSED = "refused"
    FILES = "files"  # which files a cart has, in records of up to a thousand ids
    TOKEN = "token"
    REVOKE = "revoke"
    # what operators do to carts, jobs and the whole system
    RESTART = "restart"
    RETRY = "retry"
    FAIL = "fail"
    RELEASE = "release"
    PURGE = "purge"
    EVICT = "evict"
    REDRIVE = "redrive"
    RECONCILE = "reconcile"
    SWEEP = "sweep"
    PAUSE = "pause"
    RESUME = "resume"
    RESTORED = "restored"


class AuditStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def record(
        self,
        caller: Caller,
        action: AuditAction,
        uid: str = "",
        cart_id: int = 0,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Record what `caller` did, within the caller's transaction if there is one."""
        self._insert([self._row(caller, action, uid, cart_id, details)])

    def record_post(
        self, caller: Caller, uid: str, cart_id: int, details: Mapping[str, Any], archive_ids: Iterable[str]
    ) -> None:
        """Record a new cart and which files it has, within the caller's transaction."""
        self._insert(
            [self._row(caller, AuditAction.POST, uid, cart_id, details)],
            self._files(caller, uid, cart_id, 0, archive_ids),
        )

    def record_files(self, owner: str, uid: str, cart_id: int, first: int, archive_ids: Iterable[str]) -> None:
        """Record which files a cart has from position `first` on, within the caller's transaction.

        For the worker that reads an uploaded manifest: one that repeats the work of another records them again.
        """
        self._insert((), self._files(Caller(owner, owner, frozenset()), uid, cart_id, first, archive_ids))

    def _files(self, caller: Caller, uid: str, cart_id: int, first: int, archive_ids: Iterable[str]) -> Iterator[Row]:
        """Nobody's files are not recorded: there is nobody to attribute them to (ADR 0036)."""
        for ids in chunks(archive_ids, IDS) if caller.owner != NOBODY else ():
            yield self._row(caller, AuditAction.FILES, uid, cart_id, {"first": first, "ids": ids})
            first += len(ids)

    def _row(
        self, caller: Caller, action: AuditAction, uid: str, cart_id: int, details: Mapping[str, Any] | None
    ) -> Row:
        return {
            "at": self._db.now,
            "actor": caller.owner,
            "action": action,
            "owner": caller.acts_for,
            "uid": uid,
            "cart_id": cart_id,
            "address": caller.address[:64],
            "details": json.dumps(details, ensure_ascii=False) if details else None,
        }

    def _insert(self, begun: Iterable[Row], more: Iterable[Row] = ()) -> None:
        """Insert rows, as many in a statement as fit well below MySQL's packet."""
        rows, size = list(begun), 0
        for row in more:
            rows.append(row)
            size += len(row["details"])
            if size > STATEMENT:
                self._insert(rows)
                rows, size = [], 0
        if rows:
            with self._db.writing():
                _INSERT.run(self._db, [[row[name] for name in _COLUMNS] for row in rows])
