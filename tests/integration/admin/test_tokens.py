"""`tokens`: each token is shown once and works until it ends; who made and who ended it is in the audit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.caller import Scope
from chalicelib.db.access_models import AccessTokens, AuditRecords
from chalicelib.db.database import Database
from chalicelib.stores.access_tokens import AccessTokenStore
from tests.integration.admin.conftest import Run
from tests.integration.aging import DAY, age


def audited(database: Database) -> list[tuple[Any, ...]]:
    columns = (AuditRecords.actor, AuditRecords.action, AuditRecords.owner, AuditRecords.details)
    with database.session() as db:
        return list(AuditRecords.select(*columns).order_by(AuditRecords.id).tuples().execute(db))


def test_a_token_is_printed_alone_and_works(run: Run, database: Database) -> None:
    done = run("tokens", "add", "--owner", "ann")
    assert (done.code, done.out.count("\n")) == (0, 1)
    assert "shown this once" in done.err
    found = AccessTokenStore(database).find(done.out.strip())
    assert found is not None
    assert (found.owner, set(found.scopes), found.groups) == ("ann", {Scope.READ, Scope.WRITE}, ())
    assert found.expires_at is not None
    assert found.expires_at - found.created_at == pytest.approx(365 * DAY, abs=60)


def test_a_token_has_what_it_was_given(run: Run, database: Database) -> None:
    options = ("--scope", "admin", "--scope", "carts:read", "--group", "lab", "--group", "Site B", "--note", "for CI")
    done = run("tokens", "add", "--owner", "https://id.example/1234", *options, "--expires", "30 days", "--json")
    assert done.code == 0
    found = AccessTokenStore(database).find(done.json["token"])
    assert found is not None
    assert (found.owner, set(found.scopes)) == ("https://id.example/1234", {Scope.READ, Scope.ADMIN})
    assert (found.groups, found.note) == (("lab", "Site B"), "for CI")


def test_the_token_itself_is_nowhere_in_the_database_or_the_messages(run: Run, database: Database) -> None:
    done = run("tokens", "add", "--owner", "ann")
    token = done.out.strip()
    with database.session() as db:
        rows = [*AccessTokens.select().tuples().execute(db), *AuditRecords.select().tuples().execute(db)]
    assert token not in str(rows)
    assert token not in done.err + run("tokens", "list").out + run("tokens", "list", "--json").out


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90 seconds", 90), ("1 day", DAY), ("1.5 hours", 5400), ("2 weeks", 14 * DAY), ("1 year", 365 * DAY)],
)
def test_a_span_of_time_is_understood(run: Run, database: Database, text: str, seconds: float) -> None:
    token = run("tokens", "add", "--owner", "ann", "--expires", text).out.strip()
    found = AccessTokenStore(database).find(token)
    assert found is not None
    assert found.expires_at is not None
    assert found.expires_at - found.created_at == pytest.approx(seconds, abs=30)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2031-12-31", 1956441600),
        ("2031-12-31T12:00:00Z", 1956484800),
        ("2031-12-31T12:00:00+02:00", 1956477600),
        ("2031-12-31T12:00:00", 1956484800),
    ],
)
def test_a_date_is_understood_as_utc_unless_it_has_a_zone(run: Run, database: Database, text: str, moment: int) -> None:
    token = run("tokens", "add", "--owner", "ann", "--expires", text).out.strip()
    found = AccessTokenStore(database).find(token)
    assert found is not None
    assert found.expires_at == pytest.approx(moment, abs=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "30",
        "-1 day",
        "1e9 days",
        "2020-01-01",
        "0 days",
        "nan days",
        "9999 years",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_a_time_that_is_none_or_past_is_a_usage_error(run: Run, database: Database, text: str) -> None:
    done = run("tokens", "add", "--owner", "ann", "--expires", text)
    assert (done.code, done.out) == (2, "")
    assert "--expires" in done.err
    assert AccessTokenStore(database).everything() == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " ann",
        "ann ",
        "ann\n",
        "a\x00b",
        "a\tb",
        "a\u202eb",
        "a\u00a0b",
        "\udc80",
        "a" * 256,
        "operator:ann",
        "link",
        "*",
    ],
)
@pytest.mark.parametrize("option", ["--owner", "--group"])
def test_a_name_that_would_confuse_is_a_usage_error(run: Run, database: Database, name: str, option: str) -> None:
    owner = () if option == "--owner" else ("--owner", "ann")
    done = run("tokens", "add", *owner, option, name)
    assert (done.code, done.out) == (2, "")
    assert option in done.err
    assert "\u202e" not in done.err
    assert AccessTokenStore(database).everything() == []


@pytest.mark.parametrize("groups", [["a"] * 14_000, ["🚀" * 200] * 70])
def test_groups_that_the_database_cannot_hold_are_a_usage_error(
    run: Run, database: Database, groups: list[str]
) -> None:
    done = run("tokens", "add", "--owner", "ann", *(word for name in groups for word in ("--group", name)))
    assert (done.code, "too many" in done.err) == (2, True)
    assert AccessTokenStore(database).everything() == []


@pytest.mark.parametrize("name", ["a" * 255, "Jürgen 🚀", "https://id.example/#ann", "--owner"])
def test_other_names_are_kept_byte_for_byte(run: Run, database: Database, name: str) -> None:
    assert run("tokens", "add", f"--owner={name}").code == 0
    assert [token.owner for token in AccessTokenStore(database).everything()] == [name]


def test_the_list_shows_state_and_a_note_as_it_is(run: Run, database: Database) -> None:
    run("tokens", "add", "--owner", "ann", "--note", "[red]old", "--expires", "1 day")
    age(database, 2 * DAY)
    run("tokens", "add", "--owner", "bob")
    run("tokens", "add", "--owner", "eve")
    run("tokens", "revoke", "3")
    done = run("tokens", "list", "--json")
    assert [(row["owner"], row["state"]) for row in done.json] == [
        ("ann", "expired"),
        ("bob", "valid"),
        ("eve", "revoked"),
    ]
    table = run("tokens", "list").out.splitlines()
    assert [line.split()[2] for line in table] == ["STATE", "expired", "valid", "revoked"]
    assert "[red]old" in table[1]
    assert [row["owner"] for row in run("tokens", "list", "--owner", "bob", "--json").json] == ["bob"]


def test_a_revoked_token_is_refused_at_once(run: Run, database: Database) -> None:
    made = run("tokens", "add", "--owner", "ann", "--json").json
    done = run("tokens", "revoke", str(made["id"]))
    assert (done.code, done.out) == (0, f"token {made['id']} of ann is revoked\n")
    assert AccessTokenStore(database).find(made["token"]) is None


def test_revoking_what_is_not_there_or_over_fails(run: Run, database: Database) -> None:
    run("tokens", "add", "--owner", "ann")
    run("tokens", "revoke", "1")
    for number, words in (("1", "already"), ("77", "no token 77")):
        done = run("tokens", "revoke", number)
        assert (done.code, done.out, words in done.err) == (1, "", True)
    for number in ("0", "-1", "x", str(2**63)):
        assert run("tokens", "revoke", number).code == 2
    assert [action for _, action, *_ in audited(database)] == ["token", "revoke"]


def test_each_change_is_in_the_audit_with_who_made_it(run: Run, database: Database, monkeypatch: Any) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    run("tokens", "add", "--owner", "ann", "--group", "lab", "--note", "for CI")
    run("tokens", "revoke", "1")
    (maker, made, owner, details), (ender, ended, of_ended, _) = audited(database)
    assert (made, owner, ended, of_ended) == ("token", "ann", "revoke", "ann")
    assert maker == ender
    assert maker.startswith("operator:")
    assert maker != "operator:somebody-else"
    found = json.loads(details)
    assert (found["token"], found["groups"], found["note"]) == (1, ["lab"], "for CI")


def test_a_token_whose_record_cannot_be_written_is_not_made(run: Run, database: Database) -> None:
    with database.session() as db:
        db.execute_sql("DROP TABLE audit_records")  # type: ignore[no-untyped-call]
    done = run("tokens", "add", "--owner", "ann")
    assert (done.code, done.out) == (1, "")
    assert "Traceback" not in done.err
    assert AccessTokenStore(database).everything() == []
