"""`cache list`: which staged files are the biggest, which go first, and which carts need them."""

from __future__ import annotations

from chalicelib.db.database import Database
from chalicelib.stores.eviction_marks import EvictionMarks
from tests.integration.admin.carts import add_cart, add_entry, add_staged, add_window
from tests.integration.admin.conftest import Run


def test_the_biggest_files_come_first_with_the_carts_that_need_them(run: Run, database: Database) -> None:
    cart = add_cart(database, "one")
    add_window(database, cart, "reserved")
    add_entry(database, cart, 0, "a")
    add_entry(database, cart, 1, "b")
    for name, size, pins in (("a", 3000, 1), ("b", 9000, 1), ("c", 5000, 0)):
        add_staged(database, name, size, pins, 1e9)
    found = run("cache", "list", "--json").json
    assert [(file["archive_id"], file["size"], [cart["uid"] for cart in file["carts"]]) for file in found["files"]] == [
        ("b", 9000, ["one"]),
        ("c", 5000, []),
        ("a", 3000, ["one"]),
    ]
    assert found["totals"] == {"files": 3, "size": 17000, "needed_files": 2, "needed_size": 12000}
    done = run("cache", "list", "--limit", "1")
    assert "one" in done.out
    assert "3 files, 17.0 KB; windows need 2 of them" in done.err


def test_the_least_used_are_those_that_go_next(run: Run, database: Database) -> None:
    for name, pins, used_at in (("new", 0, 3e8), ("old", 0, 2e8), ("needed", 1, 1e8)):
        add_staged(database, name, 100, pins, used_at)
    found = run("cache", "list", "--least-used", "--json").json
    assert [file["archive_id"] for file in found["files"]] == ["old", "new"]


def test_a_file_that_an_operator_wants_evicted_is_named_so_until_a_worker_has_done_it(
    run: Run, database: Database
) -> None:
    add_staged(database, "file", 100, 0, 2e8)
    EvictionMarks(database).mark(["file"])
    assert "to be evicted" in run("cache", "list").out
    assert run("cache", "list", "--json").json["files"][0]["used_at"] is None
