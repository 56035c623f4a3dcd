"""What the API leaves in the audit: changes, downloads and refusals of those who log in, and nothing for HEAD."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import app
from chalicelib.auth.credentials import Credentials
from chalicelib.caller import NOBODY, Caller, Scope
from chalicelib.db.access_models import AuditRecords, RefusalCounts
from chalicelib.errors import LoginRequired, NotAllowed, TooManyRequests
from chalicelib.stores.cart_row import Cart
from tests.integration.api.conftest import MANIFEST, Carter, new_uid
from tests.integration.api.transports import OverWSGI, Transport

READ_WRITE = frozenset({Scope.READ, Scope.WRITE})


class Logins:
    """Takes any login: the Authorization header is the owner; `reader` may only read, and none is refused."""

    def caller(self, credentials: Credentials) -> Caller:
        owner = credentials.authorization
        if owner is None or owner == "forged":
            raise LoginRequired
        scopes = frozenset({Scope.READ}) if owner == "reader" else READ_WRITE
        return Caller(owner, owner, scopes, address=credentials.address)

    def caller_or_nobody(self, credentials: Credentials) -> Caller:
        if credentials.authorization is None:
            return Caller(NOBODY, NOBODY, frozenset())
        return self.caller(credentials)


@pytest.fixture
def with_logins(carts: Carter, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(app.app, "_authenticator", Logins)
    yield
    app.system().refusals.flush()


def audited(carts: Carter, uid: str) -> list[tuple[str, str, str, Any]]:
    """Actor, action, owner and details of the records of a uid."""
    query = AuditRecords.select().where(AuditRecords.uid == uid).order_by(AuditRecords.id)
    with carts.system.database.session() as db:
        found = list(query.execute(db))
    return [(row.actor, row.action, row.owner, json.loads(row.details or "{}")) for row in found]


def make_ready(carts: Carter, owner: str, uid: str) -> Cart:
    """Finish the cart as its worker would."""
    stores, database = carts.system.carts, carts.system.database
    cart = stores.find(owner, uid)
    assert stores.begin_staging(cart.id)
    layout = {"part_size": 5 << 20, "bytes_total": 40, "windows_total": 1, "bundle_size": 3584, "upload_id": ""}
    assert database.transaction(lambda: stores.record_layout(cart, **layout))
    database.transaction(lambda: stores.count_window_staged(stores.get(cart.id), 2, 40))
    assert database.transaction(lambda: stores.mark_ready(stores.get(cart.id), 3584, "etag", ""))
    return stores.get(cart.id)


@pytest.mark.usefixtures("with_logins")
def test_a_carts_life_is_on_record(call: Transport, carts: Carter) -> None:
    uid, body = new_uid(), json.dumps(MANIFEST).encode()
    assert call("POST", f"/{uid}", body, authorization="ann").status == 201
    cart = make_ready(carts, "ann", uid)
    locations = [call("GET", f"/{uid}", authorization="ann").headers["location"] for _ in range(2)]
    assert call("DELETE", f"/{uid}", authorization="ann").status == 200
    records = audited(carts, uid)
    assert [(actor, action, owner) for actor, action, owner, _ in records] == [
        ("ann", "post", "ann"),
        ("ann", "files", "ann"),
        ("ann", "download", "ann"),
        ("ann", "download", "ann"),
        ("ann", "delete", "ann"),
    ]
    details = [found for *_, found in records]
    assert details[0] == {"files": 2, "digest": cart.digest}
    assert details[1] == {"first": 0, "ids": ["1", "two"]}
    assert details[2]["key"] == f"carts/{cart.id}/1.tar"
    assert details[2]["expires"] > cart.created_at
    with carts.system.database.session() as db:
        addresses = {row.address for row in AuditRecords.select().where(AuditRecords.uid == uid).execute(db)}
    assert addresses == {"" if isinstance(call, OverWSGI) else "192.0.2.1"}  # this WSGI client has no address
    signature = locations[0].partition("?")[2]
    assert signature
    assert "ignature" not in json.dumps(details)
    assert "http" not in json.dumps(details)


@pytest.mark.usefixtures("with_logins")
def test_a_cart_that_replaces_another_names_it(call: Transport, carts: Carter) -> None:
    uid = new_uid()
    call("POST", f"/{uid}", json.dumps(MANIFEST).encode(), authorization="ann")
    old = carts.system.carts.find("ann", uid).id
    call("POST", f"/{uid}", b'{"fileids": [{"id": 9, "path": "a"}]}', authorization="ann")
    posts = [details for _, action, _, details in audited(carts, uid) if action == "post"]
    assert [found.get("replaced") for found in posts] == [None, old]


@pytest.mark.usefixtures("with_logins")
def test_what_changes_nothing_is_not_on_record(call: Transport, carts: Carter) -> None:
    uid, body = new_uid(), json.dumps(MANIFEST).encode()
    call("POST", f"/{uid}", body, authorization="ann")
    before = audited(carts, uid)
    call("POST", f"/{uid}", body, authorization="ann")
    assert call("POST", f"/{uid}", b'{"fileids": []}', authorization="ann").status == 400
    for path in ("", "/status", "/files"):
        assert call("GET", f"/{uid}{path}", authorization="ann").status in (200, 202)
    assert call("HEAD", f"/{uid}", authorization="ann").status == 202
    assert audited(carts, uid) == before


@pytest.mark.usefixtures("with_logins")
def test_an_upload_is_on_record_with_the_name_that_its_post_has(call: Transport, carts: Carter) -> None:
    uid = new_uid()
    slot = call("POST", f"/{uid}/manifest", authorization="ann").json()
    assert audited(carts, uid) == [("ann", "upload", "ann", {"upload": slot["upload"]})]


@pytest.mark.usefixtures("with_logins")
def test_what_is_another_owners_is_not_told_apart_from_what_is_not_there(call: Transport, carts: Carter) -> None:
    """Neither by the answer nor in the audit: it is a 404 like any other, and a client's typing error."""
    uid = new_uid()
    call("POST", f"/{uid}", json.dumps(MANIFEST).encode(), authorization="ann")
    before = audited(carts, uid)
    for method in ("GET", "HEAD", "DELETE"):
        assert call(method, f"/{uid}", authorization="eve").status == 404
    assert audited(carts, uid) == before


@pytest.mark.usefixtures("with_logins")
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_refusal_of_a_login_is_on_record(call: Transport, carts: Carter, method: str) -> None:
    uid = new_uid()
    assert call(method, f"/{uid}", b"{}", authorization="reader").status == 403
    [(actor, action, owner, details)] = audited(carts, uid)
    assert (actor, action, owner) == ("reader", "refused", "reader")
    assert (details["request"], details["status"]) == (f"{method} /{{uid}}", 403)
    assert "carts:write" in details["message"]


@pytest.mark.usefixtures("with_logins")
@pytest.mark.parametrize(("error", "status"), [(NotAllowed("no"), 403), (TooManyRequests("later", 7), 429)])
def test_a_refusal_by_a_limit_or_the_policy_is_on_record(
    call: Transport, carts: Carter, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(app.service(), "create", refuse)
    uid = new_uid()
    answer = call("POST", f"/{uid}", b"{}", authorization="ann")
    assert answer.status == status
    [(actor, _, _, details)] = audited(carts, uid)
    assert (actor, details["status"], details["message"]) == ("ann", status, str(error))


def refused_without_login(carts: Carter) -> int:
    app.system().refusals.flush()
    with carts.system.database.session() as db:
        return sum(row.refusals for row in RefusalCounts.select().execute(db))


@pytest.mark.usefixtures("with_logins")
def test_refusals_without_a_login_are_counted_and_not_stored(call: Transport, carts: Carter) -> None:
    before, uid = refused_without_login(carts), new_uid()
    for method in ("POST", "GET", "DELETE"):
        assert call(method, f"/{uid}", b"{}").status == 401
    assert call("HEAD", f"/{uid}", authorization="forged").status == 401
    assert refused_without_login(carts) == before + 4
    assert audited(carts, uid) == []


@pytest.mark.usefixtures("with_logins")
def test_a_refusal_is_answered_even_if_it_cannot_be_recorded(
    call: Transport, carts: Carter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(app.system().refusals._audit, "record", fail)
        patch.setattr(app.system().refusals._store, "add", fail)
        assert call("POST", f"/{new_uid()}", b"{}", authorization="reader").status == 403
        assert call("POST", f"/{new_uid()}", b"{}").status == 401


@pytest.mark.usefixtures("with_logins")
def test_a_url_that_cannot_be_recorded_is_not_handed_out(
    call: Transport, carts: Carter, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = new_uid()
    call("POST", f"/{uid}", json.dumps(MANIFEST).encode(), authorization="ann")
    make_ready(carts, "ann", uid)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(app.service()._audit, "record", fail)
    answer = call("GET", f"/{uid}", authorization="ann")
    assert (answer.status, "location" in answer.headers) == (500, False)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], list[str]]:
    """Runs a call; the statements of the API that write, by their first two or three words."""

    def recorded(work: Callable[[], Any]) -> list[str]:
        database, found = app.system().database.peewee, []
        real = database.execute_sql

        def execute(sql: str, *rest: Any, **more: Any) -> Any:
            if not sql.startswith("SELECT"):
                found.append(sql.split("(")[0].strip().replace('"', ""))
            return real(sql, *rest, **more)  # type: ignore[no-untyped-call]

        with monkeypatch.context() as patch:
            patch.setattr(database, "execute_sql", execute)
            work()
        return found

    return recorded


def test_nobodys_downloads_and_looks_write_as_before(
    call: Transport, carts: Carter, writes: Callable[[Callable[[], Any]], list[str]]
) -> None:
    """Where nobody logs in, only the first URL in a while is recorded: downloads of one cart do not write each time."""
    uid = carts.ready()
    assert [line.split()[0] for line in writes(lambda: call("GET", f"/{uid}"))] == ["UPDATE", "INSERT"]
    assert writes(lambda: call("GET", f"/{uid}")) == []
    assert writes(lambda: call("HEAD", f"/{uid}")) == []
    assert [action for _, action, *_ in audited(carts, uid)] == ["post", "download"]


@pytest.mark.usefixtures("with_logins")
def test_a_post_of_a_small_cart_costs_one_statement_more(
    call: Transport, carts: Carter, writes: Callable[[Callable[[], Any]], list[str]]
) -> None:
    uid, body = new_uid(), json.dumps(MANIFEST).encode()
    written = writes(lambda: call("POST", f"/{uid}", body, authorization="ann"))
    assert [line for line in written if "audit_records" in line] == ["INSERT INTO audit_records"]
    assert writes(lambda: call("HEAD", f"/{uid}", authorization="ann")) == []
