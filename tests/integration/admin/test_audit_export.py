"""`audit export`: the records that were asked for, as lines of JSON."""

from __future__ import annotations

import json
from typing import Any

from chalicelib.caller import Caller, Scope
from chalicelib.db.access_models import AuditRecords
from chalicelib.db.database import Database
from chalicelib.stores.audit import AuditAction, AuditStore
from tests.integration.admin.conftest import Run, record, seal
from tests.integration.aging import DAY, age


def exported(run: Run, *options: str) -> list[dict[str, Any]]:
    done = run("audit", "export", *options)
    assert done.code == 0
    return [json.loads(line) for line in done.out.splitlines()]


def test_the_export_has_every_record_as_a_line(run: Run, sealed: Database) -> None:
    record(sealed, 1)
    lines = exported(run)
    assert [(line["id"], line["cart"]) for line in lines] == [*((n + 1, n) for n in range(10)), (11, 0)]
    assert [line["seal"] for line in lines] == [1] * 4 + [2] * 4 + [3] * 2 + [None]
    first = lines[0]
    assert (first["actor"], first["action"], first["owner"], first["uid"]) == ("ann", "download", "ann", "uid")
    assert (first["address"], first["details"]["name"]) == ("192.0.2.7", "Jürgen 🚀")
    assert first["at"].endswith("+00:00")


def test_the_export_is_of_what_was_asked_for(run: Run, database: Database) -> None:
    record(database, 1, "old")
    age(database, 10 * DAY)
    record(database, 1, "new")
    root = Caller("root", "root", frozenset({Scope.ADMIN}))
    AuditStore(database).record(root, AuditAction.DELETE, "roots")
    AuditStore(database).record(root.acting_for("ann"), AuditAction.DELETE, "anns")

    def uids(*options: str) -> list[str]:
        return [line["uid"] for line in exported(run, *options)]

    assert uids("--since", "2 days") == ["new", "roots", "anns"]
    assert uids("--until", "2 days") == ["old"]
    assert uids("--owner", "ann") == ["old", "new", "anns"]
    assert uids("--owner", "root") == ["roots", "anns"]
    assert uids("--uid", "new") == ["new"]
    assert uids("--owner", "ann", "--since", "2 days", "--uid", "anns") == ["anns"]
    assert uids("--since", "2200-01-01") == []
    assert run("audit", "export", "--since", "yesterday").code == 2


def test_an_export_of_many_records_is_read_in_pages(run: Run, database: Database, monkeypatch: Any) -> None:
    monkeypatch.setattr("chalicelib.stores.audit_log.PAGE", 7)
    record(database, 30)
    with database.session() as db:
        AuditRecords.delete().where(AuditRecords.id.between(5, 22)).execute(db)
    assert [line["id"] for line in exported(run)] == [1, 2, 3, 4, *range(23, 31)]
    seal(database)
    assert run("audit", "verify", "--json").json["records"] == 12


def test_an_id_far_away_does_not_keep_an_export_busy(run: Run, database: Database) -> None:
    record(database, 2)
    with database.session() as db:
        AuditRecords.update(id=2**63 - 1).where(AuditRecords.id == 2).execute(db)
    assert [line["id"] for line in exported(run)] == [1, 2**63 - 1]
