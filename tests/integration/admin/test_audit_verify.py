"""`audit verify`: what was changed after it was sealed is found, and what cannot be found is known."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import peewee
import pytest

from chalicelib.admin.audit_check import check_chain
from chalicelib.db.access_models import AuditRecords, AuditSeals
from chalicelib.db.database import Database, execute
from chalicelib.errors import CartError
from tests.integration.admin.conftest import BATCH, Run, newest_hash, record, seal


def test_an_unchanged_chain_is_right(run: Run, sealed: Database) -> None:
    done = run("audit", "verify")
    assert done.code == 0
    assert "3 seals, 10 sealed records: no problems" in done.out
    found = run("audit", "verify", "--json").json
    assert (found["seals"], found["records"], found["problems"]) == (3, 10, [])
    assert found["newest_seal"]["hash"] in done.out


def test_a_chain_without_seals_is_right(run: Run) -> None:
    assert run("audit", "verify").code == 0
    assert run("audit", "verify", "--json").json["newest_seal"] is None


TAMPERINGS = {
    "an actor": ("UPDATE audit_records SET actor = 'eve' WHERE id = 2", "seal 1"),
    "a time": ("UPDATE audit_records SET at = at - 1 WHERE id = 2", "seal 1"),
    "a time by a millisecond": ("UPDATE audit_records SET at = at - 0.001 WHERE id = 2", "seal 1"),
    "an action": ("UPDATE audit_records SET action = 'delete' WHERE id = 6", "seal 2"),
    "an owner": ("UPDATE audit_records SET owner = 'Ann' WHERE id = 6", "seal 2"),
    "a uid": ("UPDATE audit_records SET uid = 'uid2' WHERE id = 6", "seal 2"),
    "a cart": ("UPDATE audit_records SET cart_id = 99 WHERE id = 6", "seal 2"),
    "an address": ("UPDATE audit_records SET address = '' WHERE id = 10", "seal 3"),
    "details": ("UPDATE audit_records SET details = '{}' WHERE id = 10", "seal 3"),
    "details to nothing": ("UPDATE audit_records SET details = NULL WHERE id = 10", "seal 3"),
    "an id": ("UPDATE audit_records SET id = 20 WHERE id = 10", "seal 3"),
    "a record deleted": ("DELETE FROM audit_records WHERE id = 3", "1 of its 4 records are missing"),
    "a seal's records deleted": ("DELETE FROM audit_records WHERE seal = 2", "4 of its 4 records are missing"),
    "a record taken out": ("UPDATE audit_records SET seal = NULL WHERE id = 3", "1 of its 4 records are missing"),
    "a record moved": ("UPDATE audit_records SET seal = 2 WHERE id = 3", "1 records were added"),
    "a record added": (
        "INSERT INTO audit_records (at, actor, action, owner, seal) VALUES (1, 'ann', 'post', 'ann', 2)",
        "1 records were added to its 4",
    ),
    "a record added under a seal to come": (
        "INSERT INTO audit_records (at, actor, action, owner, seal) VALUES (1, 'ann', 'post', 'ann', 4)",
        "seal 4 is missing, but 1 of its records are there",
    ),
    "a record of no seal": (
        "INSERT INTO audit_records (at, actor, action, owner, seal) VALUES (1, 'ann', 'post', 'ann', 0)",
        "seal 0 is missing",
    ),
    "a record of an impossible seal": (
        "INSERT INTO audit_records (at, actor, action, owner, seal) VALUES (1, 'ann', 'post', 'ann', -1)",
        "seal -1 is missing",
    ),
    "a seal before the first": (
        "INSERT INTO audit_seals (id, first_id, last_id, records, previous, hash, sealed_at)"
        " VALUES (-5, 0, 0, 0, '', '', 1)",
        "does not fit its place",
    ),
    "an old record added without a seal": (
        "INSERT INTO audit_records (at, actor, action, owner) VALUES (1, 'ann', 'post', 'ann')",
        "without a seal",
    ),
    "a seal deleted": ("DELETE FROM audit_seals WHERE id = 2", "seals are missing between 1 and 3"),
    "the first seal deleted": ("DELETE FROM audit_seals WHERE id = 1", "seal 1 is missing"),
    "the last seal deleted": ("DELETE FROM audit_seals WHERE id = 3", "seal 3 is missing"),
    "all seals deleted": ("DELETE FROM audit_seals", "seal 1 is missing"),
    "a seal's hash": ("UPDATE audit_seals SET hash = previous WHERE id = 2", "seal 3 does not continue seal 2"),
    "a seal's previous": ("UPDATE audit_seals SET previous = hash WHERE id = 2", "seal 2 does not continue seal 1"),
    "a seal's records": ("UPDATE audit_seals SET records = 3 WHERE id = 2", "1 records were added"),
    "a seal's first": ("UPDATE audit_seals SET first_id = 1 WHERE id = 2", "seal 2: it or its records"),
    "a seal's last": ("UPDATE audit_seals SET last_id = 10 WHERE id = 2", "seal 2: it or its records"),
    "a seal's time": ("UPDATE audit_seals SET sealed_at = sealed_at - 1 WHERE id = 2", "seal 2: it or its records"),
    "the first made to continue": ("UPDATE audit_seals SET previous = 'x' WHERE id = 1", "does not fit its place"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_was_changed_after_sealing_is_found(run: Run, sealed: Database, name: str) -> None:
    statement, words = TAMPERINGS[name]
    with sealed.session() as db:
        execute(db, statement)
    done = run("audit", "verify", "--json")
    assert done.code == 3
    assert words in " ".join(done.json["problems"])
    assert words in done.err


ODD = {
    "details that are no JSON": "UPDATE audit_records SET details = '{' WHERE id = 2",
    "a time in no year": "UPDATE audit_records SET at = 1e300 WHERE id = 2",
    "a time before all years": "UPDATE audit_records SET at = -1e12 WHERE id = 2",
    "a time without end": "UPDATE audit_records SET at = 9e999 WHERE id = 2",
    "a time that is a word": "UPDATE audit_records SET at = 'x' WHERE id = 2",
    "a seal of no year": "UPDATE audit_seals SET sealed_at = 1e300 WHERE id = 3",
    "a seal of a word": "UPDATE audit_seals SET sealed_at = 'x' WHERE id = 3",
}


@pytest.mark.parametrize("name", ODD)
def test_what_only_tampering_makes_stops_neither_the_check_nor_an_export(run: Run, sealed: Database, name: str) -> None:
    try:
        with sealed.session() as db:
            execute(db, ODD[name])
    except (peewee.PeeweeException, CartError):
        pytest.skip("this database refuses such a value")
    done = run("audit", "verify")
    assert (done.code, "were changed" in done.err) == (3, True), done.err
    exported = run("audit", "export")
    assert (exported.code, len(exported.out.splitlines())) == (0, 10)
    assert [json.loads(line)["id"] for line in exported.out.splitlines()] == list(range(1, 11))


@pytest.mark.parametrize("known", ["", " ", "abc", "g" * 64])
def test_a_hash_that_is_none_is_wrong_usage_and_no_check(run: Run, sealed: Database, known: str) -> None:
    done = run("audit", "verify", "--known", known)
    assert (done.code, done.out, "--known" in done.err) == (2, "", True)


def test_two_records_that_change_places_are_found(run: Run, sealed: Database) -> None:
    def swap() -> None:
        for one, other in ((2, 99), (3, 2), (99, 3)):
            AuditRecords.update(id=other).where(AuditRecords.id == one).execute(sealed.peewee)

    sealed.transaction(swap)
    assert run("audit", "verify").code == 3


def test_a_changed_record_whose_seal_was_made_again_breaks_the_chain(run: Run, sealed: Database) -> None:
    """To forge one seal, all that follow must be forged too."""
    with sealed.session() as db:
        AuditRecords.update(actor="eve").where(AuditRecords.id == 5).execute(db)
        AuditRecords.update(seal=None).where(AuditRecords.seal >= 2).execute(db)
        third = AuditSeals.select().where(AuditSeals.id == 3).dicts().first(db)
        AuditSeals.delete().where(AuditSeals.id >= 2).execute(db)
    assert seal(sealed, 1) == BATCH
    with sealed.session() as db:
        AuditSeals.insert(third).execute(db)
        AuditRecords.update(seal=3).where(AuditRecords.seal.is_null()).execute(db)
    done = run("audit", "verify", "--json")
    assert done.code == 3
    assert "seal 3 does not continue seal 2: one of them was changed" in done.json["problems"]


@pytest.mark.parametrize("from_seal", [1, 2, 3])
def test_a_chain_cut_off_at_its_end_is_found_only_by_a_hash_that_was_kept(
    run: Run, sealed: Database, from_seal: int
) -> None:
    kept = newest_hash(run)
    with sealed.session() as db:
        AuditRecords.delete().where(AuditRecords.seal >= from_seal).execute(db)
        AuditSeals.delete().where(AuditSeals.id >= from_seal).execute(db)
    record(sealed, 3)
    seal(sealed)
    assert run("audit", "verify").code == 0
    done = run("audit", "verify", "--known", kept)
    assert done.code == 3
    assert "no seal has the hash" in done.err


def test_a_chain_made_anew_is_found_only_by_a_hash_that_was_kept(run: Run, sealed: Database) -> None:
    kept = newest_hash(run)
    with sealed.session() as db:
        AuditSeals.delete().execute(db)
        AuditRecords.update(seal=None, actor="eve").execute(db)
    seal(sealed)
    assert run("audit", "verify").code == 0
    assert run("audit", "verify", "--known", kept).code == 3


def test_a_hash_that_was_kept_is_found_again_as_the_chain_grows(run: Run, sealed: Database) -> None:
    kept = newest_hash(run)
    record(sealed, 20)
    seal(sealed)
    for known in (kept, kept.upper(), newest_hash(run)):
        done = run("audit", "verify", "--known", known, "--json")
        assert (done.code, done.json["known_hash_found"]) == (0, True)


def test_records_without_a_seal_are_reported_with_their_age(run: Run, sealed: Database) -> None:
    record(sealed, 2)
    done = run("audit", "verify", "--json")
    assert (done.code, done.json["unsealed_records"]) == (0, 2)
    with sealed.session() as db:
        AuditRecords.update(at=AuditRecords.at - 7200).where(AuditRecords.seal.is_null()).execute(db)
    done = run("audit", "verify", "--json")
    assert (done.code, done.json["oldest_unsealed_s"] >= 7200) == (3, True)
    assert "does the sweep run?" in done.err


def test_the_check_sees_one_state_while_sweeps_go_on(
    run: Run, sealed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seals deleted and made between two of its queries do not look like tampering."""

    def sweep() -> None:
        try:
            with sealed.session() as db:
                AuditRecords.delete().where(AuditRecords.seal == 1).execute(db)
                AuditSeals.delete().where(AuditSeals.id == 1).execute(db)
            record(sealed, 5)
            seal(sealed)
        finally:
            sealed.close()

    def slow(seals: Any, *rest: Any) -> Any:
        listed = list(seals)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(sweep).result()
        return check_chain(listed, *rest)

    monkeypatch.setattr("chalicelib.admin.audit.check_chain", slow)
    assert run("audit", "verify").code == 0
