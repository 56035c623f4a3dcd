"""The sweep seals audit records in one chain, and deletes whole seals when they are old."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from chalicelib.db.access_models import AuditRecords, AuditSeals
from chalicelib.db.database import Database
from chalicelib.stores.refusal_counts import RefusalCountStore
from chalicelib.stores.seals import SealStore
from chalicelib.sweep.old_audit import OldAudit
from chalicelib.sweep.seal_audit import SealAudit
from tests.integration.admin.conftest import BATCH, Run, newest_hash, record, seal
from tests.integration.aging import DAY, age


def test_a_record_committed_late_is_sealed_by_a_later_seal(run: Run, database: Database) -> None:
    """A lower id may become visible after higher ones were sealed."""
    record(database, 3)
    with database.session() as db:
        late = AuditRecords.select().where(AuditRecords.id == 2).dicts().first(db)
        AuditRecords.delete().where(AuditRecords.id == 2).execute(db)
    seal(database)
    with database.session() as db:
        AuditRecords.insert(late).execute(db)
    assert seal(database) == 1
    assert run("audit", "verify").code == 0


def test_a_young_record_stays_unsealed(database: Database) -> None:
    record(database, 1)
    sweep = SealAudit(SealStore(database), 60, BATCH, 1)
    assert sweep.run() == 0
    age(database, 61)
    assert sweep.run() == 1


def test_a_sweep_seals_no_more_than_its_batches(run: Run, database: Database) -> None:
    record(database, 10)
    assert [seal(database, 2), seal(database, 2), seal(database, 2)] == [8, 2, 0]
    assert run("audit", "verify", "--json").json["records"] == 10


def test_sweeps_at_once_make_one_chain_without_forks(run: Run, database: Database) -> None:
    def sweep(_: int) -> None:
        try:
            for _ in range(5):
                record(database, 3)
                seal(database)
        finally:
            database.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(sweep, range(6)))
    while seal(database):
        pass
    found = run("audit", "verify", "--json")
    assert (found.code, found.json["records"], found.json["unsealed_records"]) == (0, 90, 0)


def test_a_sweep_that_loses_changes_nothing(database: Database) -> None:
    record(database, 4)
    seals = SealStore(database)
    ids = seals.unsealed(0, 10)
    assert seals.seal(ids) is not None
    assert seals.seal(ids) is None
    with database.session() as db:
        assert AuditSeals.select().count(db) == 1
        assert {row.seal for row in AuditRecords.select().execute(db)} == {1}


def old_audit(database: Database, limit: int = 100) -> OldAudit:
    return OldAudit(database, SealStore(database), RefusalCountStore(database), 365 * DAY, limit, 100)


def test_old_seals_go_with_their_records_and_the_rest_is_a_chain(run: Run, sealed: Database) -> None:
    with sealed.session() as db:
        AuditSeals.update(sealed_at=AuditSeals.sealed_at - 366 * DAY).where(AuditSeals.id <= 2).execute(db)
    assert [old_audit(sealed, 1).run() for _ in range(3)] == [1, 1, 0]
    with sealed.session() as db:
        assert [row.seal for row in AuditRecords.select().execute(db)] == [3, 3]
    assert run("audit", "verify").code == 0
    record(sealed, 5)
    seal(sealed)
    done = run("audit", "verify", "--json")
    assert (done.code, done.json["oldest_seal"]["id"], done.json["records"]) == (0, 3, 7)


def test_the_newest_seal_stays_so_that_the_chain_goes_on(run: Run, sealed: Database) -> None:
    kept = newest_hash(run)
    with sealed.session() as db:
        AuditSeals.update(sealed_at=1.0).execute(db)
    assert old_audit(sealed).run() == 2
    record(sealed, 1)
    seal(sealed)
    assert old_audit(sealed).run() == 1
    done = run("audit", "verify", "--known", kept, "--json")
    assert (done.code, done.json["oldest_seal"]["id"]) == (0, 4)
