"""Carts, jobs and staged files in any state, written straight into the tables."""

from __future__ import annotations

from typing import Any

from chalicelib.db.database import Database
from chalicelib.db.models import Carts, Entries, Jobs, Windows
from chalicelib.db.volume_models import StagedFiles
from chalicelib.stores.carts import CartStore
from chalicelib.stores.jobs import JobStore
from chalicelib.stores.manifest_row import ManifestRow
from tests.integration.aging import age

LEASE = 30.0


def add_cart(database: Database, uid: str, owner: str = "ann", *, staging: bool = True, old: float = 0) -> int:
    """A cart of two files that is being staged, or waits; posted `old` seconds ago."""
    store = CartStore(database, process="api-1")
    cart_id = database.transaction(lambda: store.insert(owner, uid, ManifestRow(uid, "d" * 64, 2)))
    if staging:
        store.begin_staging(cart_id)
    if old:
        age(database, old)
    return cart_id


def add_ready_cart(database: Database, uid: str) -> int:
    cart_id = add_cart(database, uid)
    with database.session() as db:
        Carts.update(state="ready").where(Carts.id == cart_id).execute(db)
    return cart_id


def add_job(database: Database, cart_id: int, kind: str = "window", **columns: Any) -> int:
    """A job that is due, with these columns."""
    message = database.transaction(lambda: JobStore(database, LEASE).add(cart_id, kind))
    if columns:
        with database.session() as db:
            Jobs.update(columns).where(Jobs.id == message.job_id).execute(db)
    return message.job_id


def hold(database: Database, job_id: int) -> None:
    assert JobStore(database, LEASE).claim(job_id, 0) is not None


def fail(database: Database, cart_id: int, message: str) -> None:
    assert database.transaction(lambda: CartStore(database, process="worker-1").fail(cart_id, message))


def delete(database: Database, cart_id: int) -> None:
    assert database.transaction(lambda: CartStore(database).retire(cart_id))


def add_entry(database: Database, cart_id: int, position: int, archive_id: str, **columns: Any) -> None:
    row = {"path": f"d/{archive_id}", "hash_name": "", "hash_hex": "", "new_dirs": 0, **columns}
    with database.session() as db:
        Entries.insert(cart_id=cart_id, position=position, archive_id=archive_id, **row).execute(db)


def add_window(database: Database, cart_id: int, state: str, files: int = 2, **columns: Any) -> None:
    row = {"number": 0, "first": 0, "files": files, "length": 1, "first_part": 1, **columns}
    with database.session() as db:
        Windows.insert(cart_id=cart_id, state=state, **row).execute(db)


def add_staged(database: Database, archive_id: str, size: int, pins: int = 0, used_at: float = 0.0) -> None:
    row = {"name": archive_id, "state": "staged", "mtime_ns": 0, "size": size, "pins": pins, "used_at": used_at}
    with database.session() as db:
        StagedFiles.insert(archive_id=archive_id, **row).execute(db)
