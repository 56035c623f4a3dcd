"""The audit: records are what was done, whole, and gone with the transaction that did it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.caller import Caller, Scope
from chalicelib.stores.audit import AuditAction
from chalicelib.stores.audit_log import AuditFilter
from tests.callers import ANYONE
from tests.doubles.world import World

ANN = Caller("ann", "ann", frozenset({Scope.READ, Scope.WRITE}), address="192.0.2.7")
ROOT = Caller("root", "root", frozenset({Scope.ADMIN})).acting_for("ann")


def audited(world: World) -> list[tuple[str, str, str, str, int, str, Any]]:
    return [
        (row.actor, row.action, row.owner, row.uid, row.cart_id, row.address, row.details and json.loads(row.details))
        for row, _ in world.audit_log.records(AuditFilter())
    ]


def test_a_record_says_who_did_what_to_which_cart_from_where(world: World) -> None:
    world.audit.record(ANN, AuditAction.DELETE, "uid", 7)
    world.audit.record(ROOT, AuditAction.SHARE, "uid", 7, {"with": "Jürgen 🚀", "n": 1})
    assert audited(world) == [
        ("ann", "delete", "ann", "uid", 7, "192.0.2.7", None),
        ("root", "share", "ann", "uid", 7, "", {"with": "Jürgen 🚀", "n": 1}),
    ]


def test_a_record_has_the_time_of_the_database(world: World) -> None:
    before = world.clock()
    world.advance(100)
    world.audit.record(ANN, AuditAction.DELETE)
    [(row, seal)] = world.audit_log.records(AuditFilter())
    assert row.at == pytest.approx(before + 100, abs=30)
    assert seal is None


def test_a_transaction_that_fails_leaves_no_record(world: World) -> None:
    def write() -> None:
        world.audit.record(ANN, AuditAction.DELETE)
        world.audit.record_post(ANN, "uid", 1, {}, ["a"])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.transaction(write)
    assert audited(world) == []


@pytest.mark.parametrize("files", [0, 1, 999, 1000, 1001, 2500])
def test_all_files_of_a_cart_are_recorded_in_order(world: World, files: int) -> None:
    ids = [f"id-{number}" for number in range(files)]
    world.transaction(lambda: world.audit.record_post(ANN, "uid", 7, {"files": files}, ids))
    posted, *named = audited(world)
    assert (posted[1], posted[6]) == ("post", {"files": files})
    assert {row[:6] for row in named} <= {("ann", "files", "ann", "uid", 7, "192.0.2.7")}
    assert [row[6]["first"] for row in named] == list(range(0, files, 1000))
    assert [name for row in named for name in row[6]["ids"]] == ids


def test_the_longest_ids_fit(world: World) -> None:
    ids = [f"{number:04}" + "🚀" * 251 for number in range(3000)]
    world.transaction(lambda: world.audit.record_post(ANN, "uid", 7, {"files": 3000}, ids))
    assert [name for row in audited(world)[1:] for name in row[6]["ids"]] == ids


def test_a_worker_records_files_for_their_owner_from_a_position_on(world: World) -> None:
    world.transaction(lambda: world.audit.record_files("ann", "uid", 7, 5000, ["a", "b"]))
    assert audited(world) == [("ann", "files", "ann", "uid", 7, "", {"first": 5000, "ids": ["a", "b"]})]


def test_nobodys_carts_are_recorded_without_their_files(world: World) -> None:
    world.transaction(lambda: world.audit.record_post(ANYONE, "uid", 7, {"files": 1}, ["a"]))
    world.transaction(lambda: world.audit.record_files("", "uid", 7, 0, ["a"]))
    assert [row[1] for row in audited(world)] == ["post"]
