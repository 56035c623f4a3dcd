"""`dbrestored`: no cart gets an id that was given in the hours that a restore has lost."""

from __future__ import annotations

from chalicelib.db.database import Database
from chalicelib.stores.carts import CartStore
from chalicelib.stores.manifest_row import ManifestRow
from tests.integration.admin.conftest import Run


def insert(database: Database, uid: str) -> int:
    return database.transaction(lambda: CartStore(database).insert("", uid, ManifestRow(uid, "d" * 64, 0)))


def test_new_carts_have_ids_far_above_those_before(run: Run, database: Database) -> None:
    last = insert(database, "before")
    assert run("dbrestored", "--by", "1000", "--json").json["first"] > last + 1000
    assert insert(database, "after") > last + 1000
    assert '"action": "restored"' in run("audit", "export").out
    assert CartStore(database).live("", "before") is not None


def test_it_works_on_tables_that_never_had_a_cart(run: Run, database: Database) -> None:
    run("dbrestored", "--by", "5")
    assert insert(database, "first") >= 5
