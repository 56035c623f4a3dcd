"""`list`, `dump` and `show`: which carts there are, what each waits for, and everything about one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.db.database import Database
from chalicelib.db.operating_models import Notifications
from tests.integration.admin.carts import (
    add_cart,
    add_entry,
    add_job,
    add_window,
    delete,
    fail,
    hold,
)
from tests.integration.admin.conftest import ON_SQLITE, Run
from tests.integration.aging import HOUR


def uids(run: Run, *options: str) -> list[str]:
    return [cart["uid"] for cart in run("list", "--json", *options).json]


def test_carts_are_listed_with_what_they_wait_for(run: Run, database: Database) -> None:
    working, taped = add_cart(database, "works"), add_cart(database, "tape")
    hold(database, add_job(database, working))
    add_job(database, taped, waits_for="tape", wait_reason="3 files are on tape")
    add_cart(database, "idle")
    done = run("list")
    lines = [line.split() for line in done.out.splitlines()]
    assert [line[1] for line in lines] == ["UID", "idle", "tape", "works"]
    assert "no job" in done.out
    assert "in work" in done.out
    found = {cart["uid"]: cart for cart in run("list", "--json").json}
    assert (found["tape"]["waits_for"], found["tape"]["wait_reason"]) == ("tape", "3 files are on tape")
    assert found["works"]["waits_for"] is None
    assert max(map(len, done.out.splitlines())) <= 80


#: What an older worker wrote of a job, and what it means.
OLDER: tuple[tuple[dict[str, Any], str], ...] = (
    ({"wait_reason": "3 files are on tape"}, "tape"),
    ({"wait_reason": "the volume is full"}, "space"),
    ({"wait_reason": "the archive is down"}, "archive"),
    ({"wait_reason": "The bundle store did not answer (put)."}, "store"),
    ({"wait_reason": "others have their turn"}, "turn"),
    ({"last_error": "ZeroDivisionError: by nothing"}, "retry"),
    ({"has_message": 0}, "queue"),
    ({"wait_reason": "the archive is down", "waits_for": "policy"}, "policy"),
    ({}, "worker"),
)


def test_what_a_job_waits_for_is_derived_from_the_reason_of_an_older_worker(run: Run, database: Database) -> None:
    for columns, waits_for in OLDER:
        add_job(database, add_cart(database, f"cart-{waits_for}"), **columns)
    for _, waits_for in OLDER:
        assert uids(run, "--waiting-for", waits_for) == [f"cart-{waits_for}"]
    assert uids(run, "--waiting-for", "limit") == []
    assert {cart["uid"]: f"cart-{cart['waits_for']}" for cart in run("list", "--json").json} == {
        name: name for name in (f"cart-{waits_for}" for _, waits_for in OLDER)
    }


def test_a_job_that_is_due_waits_for_a_worker_whatever_it_waited_for_before(run: Run, database: Database) -> None:
    now, was = database.clock(), {"waits_for": "archive", "wait_reason": "the archive is down"}
    add_job(database, add_cart(database, "due"), **was, waits_since=now - 900, due_at=now - 90)
    add_job(database, add_cart(database, "later"), **was, waits_since=now - 900, due_at=now + 90)
    found = {cart["uid"]: cart for cart in run("list", "--json").json}
    assert (found["due"]["waits_for"], found["due"]["wait_reason"]) == ("worker", None)
    assert "worker, 90 s" in run("show", "due").out
    assert found["later"]["waits_for"] == "archive"


def test_jobs_that_wait_for_a_worker_do_not_hide_what_the_others_wait_for(run: Run, database: Database) -> None:
    cart = add_cart(database, "mixed")
    now = database.clock()
    add_job(database, cart, due_at=now - 300, progress_at=now - 300)
    add_job(database, cart, waits_for="store", waits_since=now - 60, due_at=now + 60)
    assert run("list", "--json").json[0]["waits_for"] == "store"


def test_carts_are_chosen_by_state_owner_age_and_number(run: Run, database: Database) -> None:
    add_cart(database, "old", old=3 * HOUR)
    add_cart(database, "bobs", "bob", staging=False)
    add_cart(database, "nobodys", "")
    gone = add_cart(database, "gone")
    delete(database, gone)
    assert uids(run) == ["nobodys", "bobs", "old"]
    assert uids(run, "--all") == ["gone", "nobodys", "bobs", "old"]
    assert uids(run, "--state", "waiting") == ["bobs"]
    assert uids(run, "--owner", "ann") == ["old"]
    assert uids(run, "--owner", "") == ["nobodys"]
    assert uids(run, "--older-than", "2 hours") == ["old"]
    few = run("list", "--json", "--limit", "2")
    assert [cart["uid"] for cart in few.json] == ["nobodys", "bobs"]
    assert "there are more" in few.err


def test_a_dump_has_every_cart_with_its_documented_fields(run: Run, database: Database) -> None:
    first, second = add_cart(database, "one"), add_cart(database, "two")
    delete(database, first)
    fail(database, second, "no such file")
    lines = [json.loads(line) for line in run("dump").out.splitlines()]
    states = [(line["id"], line["live"], line["state"]) for line in lines]
    assert states == [(first, False, "staging"), (second, True, "error")]
    documented = (
        "id owner uid live state message files_total files_staged bytes_total bytes_staged bundle_size bundle_bytes "
        "created_at staging_at bundling_at ended_at expired_at deleted_at used_at request"
    )
    assert list(lines[1]) == documented.split()
    assert (lines[1]["message"], lines[1]["created_at"][:3]) == ("no such file", "202")


def test_show_has_everything_about_a_cart(run: Run, database: Database) -> None:
    cart = add_cart(database, "one")
    add_job(database, cart, waits_for="archive", wait_reason="the archive is down", waits_since=1.0, attempts=2)
    add_window(database, cart, "reserved")
    add_entry(database, cart, 0, "a1", error="")
    add_entry(database, cart, 1, "a2", failing_reason="archive answered 503", failing_at=1.0)
    with database.session() as db:
        times = {"created_at": 1.0, "due_at": 1.0}
        row = {"cart_id": cart, "owner": "ann", "uid": "one", "event": "ready", "channel": "webhook", **times}
        Notifications.insert(**row, target="https://a.example?key=1/x", last_error="500", attempts=1).execute(db)
    found = run("show", "one", "--json").json
    assert (found["id"], found["state"], found["waits_for"]) == (cart, "staging", "archive")
    assert [(row["event"], row["process"]) for row in found["history"]] == [("posted", "api-1"), ("staging", "api-1")]
    assert [(file["archive_id"], file["reason"]) for file in found["failing_files"]] == [("a2", "archive answered 503")]
    assert [(job["kind"], job["waits_for"], job["attempts"]) for job in found["jobs"]] == [("window", "archive", 2)]
    assert found["windows"] == {"reserved": 1}
    assert [(one["channel"], one["state"], one["last_error"]) for one in found["notifications"]] == [
        ("webhook", "open", "500")
    ]
    assert found["notifications"][0]["target"] == "https://a.example", "the rest may be a secret"
    text = run("show", "--cart", str(cart)).out
    for words in ("archive", "the archive is down", "d/a2 (a2): retried: archive answered 503", "1 reserved", "posted"):
        assert words in text


def test_show_asks_whose_cart_is_meant(run: Run, database: Database) -> None:
    add_cart(database, "one", "ann")
    bobs = add_cart(database, "one", "bob")
    add_cart(database, "one", "")
    done = run("show", "one")
    assert (done.code, done.out) == (1, "")
    assert "choose one by --owner. They are: (nobody), ann, bob" in done.err
    assert run("show", "one", "--owner", "bob", "--json").json["id"] == bobs
    assert run("show", "one", "--owner", "", "--json").json["owner"] == ""


def test_show_finds_a_deleted_cart_if_asked_to(run: Run, database: Database) -> None:
    first = add_cart(database, "one")
    delete(database, first)
    done = run("show", "one")
    assert (done.code, "--all finds deleted" in done.err) == (1, True)
    found = run("show", "one", "--all", "--json").json
    assert (found["live"], found["history"][-1]["event"]) == (False, "deleted")
    again = add_cart(database, "one")
    assert run("show", "one", "--all", "--json").json["id"] == again
    assert run("show", "--cart", str(first), "--json").json["id"] == first


@ON_SQLITE
@pytest.mark.parametrize("arguments", [(), ("one", "--cart", "1")])
def test_show_needs_one_name(run: Run, arguments: tuple[str, ...]) -> None:
    done = run("show", *arguments)
    assert (done.code, "Name one cart" in done.err) == (2, True)
