"""Sharing a cart: who reads it at a share's address, until when, and what nobody learns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

import app
from chalicelib.db.access_models import AuditRecords, CartShares
from chalicelib.shared_carts import SharedCarts
from chalicelib.sharing import Sharing
from tests.integration.api.conftest import BUNDLE, MANIFEST, Carter, new_uid
from tests.integration.api.transports import Answer, Transport

pytestmark = pytest.mark.usefixtures("logins")

STATES = ("waiting", "staging", "bundling", "ready", "error")
READS = (("HEAD", ""), ("GET", ""), ("GET", "/status"), ("GET", "/files"))
Logins = dict[str, str]
ANN, BEN, CLEO = ({"authorization": name} for name in ("ann", "ben", "cleo"))


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Switches links on and off."""

    def switch(allowed: bool) -> None:
        monkeypatch.setattr(app.system().sharing, "_links", allowed)
        monkeypatch.setattr(app.system().shared_carts, "_links", allowed)

    switch(True)
    return switch


def share(call: Transport, uid: str, recipient: str = "ben", **more: Any) -> dict[str, Any]:
    answer = call("POST", f"/{uid}/shares", json.dumps({"with": recipient, **more}).encode(), **ANN)
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.json()
    return made


def without_secrecy(answer: Answer) -> Answer:
    headers = {
        name: value for name, value in answer.headers.items() if name not in ("referrer-policy", "cache-control")
    }
    return Answer(answer.status, headers, answer.body)


@pytest.mark.parametrize("state", STATES)
def test_a_recipient_reads_what_the_owner_reads(call: Transport, carts: Carter, state: str) -> None:
    uid = getattr(carts.of("ann"), state)()
    address = share(call, uid)["address"]
    for method, path in READS:
        own, shared = call(method, f"/{uid}{path}", **ANN), call(method, address + path, **BEN)
        if shared.status == 302:
            assert own.status == 302
            continue
        assert without_secrecy(shared) == without_secrecy(own)
        assert b"ann" not in shared.body


def test_the_download_of_a_share_lives_shorter(call: Transport, carts: Carter) -> None:
    address = share(call, carts.of("ann").ready())["address"]
    answer = call("GET", f"{address}?filename=mine.tar", **BEN)
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert (query["X-Amz-Expires"], "mine.tar" in query["response-content-disposition"][0]) == (["300"], True)
    assert requests.get(answer.headers["location"], timeout=10).content == BUNDLE


@pytest.mark.parametrize("state", STATES)
def test_others_find_the_same_nothing_at_every_address(
    over_http: Transport, carts: Carter, links: Any, statements: list[str], state: str
) -> None:
    """For another's share, without a login, for one that ended in any way, and for one that never was.

    And by the same statements, so that it takes the same time.
    """

    def ask(method: str, address: str, login: Logins) -> tuple[Answer, list[str]]:
        statements.clear()
        return over_http(method, address, **login), list(statements)

    made = {kind: getattr(carts.of("ann"), state)() for kind in ("other", "revoked", "deleted", "replaced", "over")}
    addresses = {kind: share(over_http, uid) for kind, uid in made.items()}
    over_http("DELETE", f"/{made['revoked']}/shares/{addresses['revoked']['id']}", **ANN)
    over_http("DELETE", f"/{made['deleted']}", **ANN)
    assert over_http("POST", f"/{made['replaced']}", b'{"fileids": [{"id": 9, "path": "z"}]}', **ANN).status == 201
    with carts.system.database.session() as db:
        CartShares.update(expires_at=carts.system.database.now).where(CartShares.id == addresses["over"]["id"]).execute(
            db
        )
    expired = carts.of("ann").ready()
    addresses["expired cart"] = share(over_http, expired)
    carts.of("ann").expire(expired)
    for method, path in READS:
        nothing = ask(method, f"/-/shared/{'A' * 22}{path}", BEN)
        assert (nothing[0].status, len(nothing[1])) == (404, 1)
        assert nothing[0].headers["referrer-policy"] == "no-referrer"
        assert nothing[0].headers["cache-control"] == "no-store"
        for kind, found in addresses.items():
            login = CLEO if kind == "other" else BEN
            assert ask(method, found["address"] + path, login) == nothing, kind
            assert ask(method, found["address"] + path, {}) == nothing, kind
    assert over_http("HEAD", addresses["other"]["address"], **BEN).status != 404


def test_a_link_is_read_by_everybody_unless_links_are_off(
    call: Transport, carts: Carter, links: Callable[[bool], None]
) -> None:
    uid = carts.of("ann").ready()
    address = share(call, uid, "link")["address"]
    for login in ({}, BEN, CLEO, ANN):
        for method, path in READS:
            assert call(method, address + path, **login).status < 400
    links(False)
    for method, path in READS:
        assert call(method, address + path) == call(method, f"/-/shared/{'A' * 22}{path}")
    refused = call("POST", f"/{uid}/shares", b'{"with": "link"}', **ANN)
    assert (refused.status, "SHARE_LINKS" in refused.json()["message"]) == (403, True)
    assert call("POST", f"/{new_uid()}/shares", b'{"with": "link"}', **ANN) == refused
    assert [one["with"] for one in call("GET", f"/{uid}/shares", **ANN).json()["shares"]] == ["link"]


@pytest.mark.parametrize("recipient", ["ben", "link"])
def test_a_login_without_the_scope_reads_no_share(call: Transport, carts: Carter, links: Any, recipient: str) -> None:
    address = share(call, carts.of("ann").ready(), recipient)["address"]
    for method, path in READS:
        refused = call(method, address + path, authorization="ben writer")
        assert refused == call(method, f"/-/shared/{'A' * 22}{path}", authorization="ben writer")
        assert refused.status == 403
        assert call(method, address + path, authorization="ben reader").status < 400


def test_nothing_is_changed_through_a_share(call: Transport, carts: Carter) -> None:
    uid = carts.of("ann").ready()
    address = share(call, uid)["address"]
    before = carts.count()
    for path in ("", "/files", "/status"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = call(method, address + path, json.dumps(MANIFEST).encode(), **BEN)
            assert (answer.status, answer.headers["referrer-policy"]) == (405, "no-referrer")
    assert (carts.count(), carts.of("ann").find(uid).state) == (before, "ready")
    assert call("HEAD", f"/{uid}", **BEN).status == 404


def test_the_token_is_shown_once_and_only_its_hash_is_stored(call: Transport, carts: Carter) -> None:
    uid = carts.of("ann").ready()
    made = share(call, uid)
    token = made["address"].removeprefix("/-/shared/")
    assert len(token) == 22, "128 bits"
    with carts.system.database.session() as db:
        rows: Any = CartShares.select().where(CartShares.id == made["id"]).dicts().execute(db)
        [row] = rows
        audit = list(AuditRecords.select().where(AuditRecords.uid == uid).dicts().execute(db))
    assert row["hash"] == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(row) + str(audit)
    listed = call("GET", f"/{uid}/shares", **ANN)
    assert listed.json() == {"shares": [{key: made[key] for key in ("id", "with", "created", "expires")}]}


def test_shares_and_downloads_are_on_record(call: Transport, carts: Carter) -> None:
    uid = carts.of("ann").ready()
    made = share(call, uid)
    call("GET", made["address"], **BEN)
    call("GET", made["address"], **CLEO)
    call("DELETE", f"/{uid}/shares/{made['id']}", authorization="ann")
    with carts.system.database.session() as db:
        of_shares = AuditRecords.action.in_(("share", "unshare", "download"))
        found = AuditRecords.select().where(AuditRecords.uid == uid, of_shares).order_by(AuditRecords.id).execute(db)
        records = [(one.actor, one.action, one.owner, json.loads(one.details)["share"]) for one in found]
    assert records == [
        ("ann", "share", "ann", made["id"]),
        ("ben", "download", "ann", made["id"]),
        ("ann", "unshare", "ann", made["id"]),
    ]


def test_every_download_by_a_link_is_on_record(call: Transport, carts: Carter, links: Any) -> None:
    """Also of those who are not logged in, and again and again: each URL that was handed out."""
    uid = carts.of("ann").ready()
    made = share(call, uid, "link")
    for login in ({}, {}, BEN, {}):
        assert call("GET", made["address"], **login).status == 302
    with carts.system.database.session() as db:
        downloads = (AuditRecords.uid == uid) & (AuditRecords.action == "download")
        found = AuditRecords.select().where(downloads).order_by(AuditRecords.id).execute(db)
        records = [(one.actor, one.owner, json.loads(one.details)["share"]) for one in found]
    assert records == [(actor, "ann", made["id"]) for actor in ("", "", "ben", "")]


def test_a_share_that_was_ended_is_unknown(call: Transport, carts: Carter) -> None:
    uid, other = carts.of("ann").ready(), carts.of("ann").ready()
    made = share(call, uid)["id"]
    gone = [f"/{other}/shares/{made}", f"/{uid}/shares/{made + 1000}", f"/{uid}/shares/0", f"/{uid}/shares/-1"]
    gone += [f"/{uid}/shares/{text}" for text in ("x", "%20", "1e3", "9" * 30, "%D9%A3", f"{made}.0")]
    answers = [call("DELETE", target, **ANN) for target in gone]
    assert call("DELETE", f"/{uid}/shares/{made}", **ANN).status == 200
    answers.append(call("DELETE", f"/{uid}/shares/{made}", **ANN))
    assert {(answer.status, answer.body) for answer in answers} == {(404, answers[0].body)}
    assert call("GET", f"/{uid}/shares", **ANN).json() == {"shares": []}


def test_a_wait_at_a_share_is_about_the_cart(carts: Carter, over_http: Transport, links: Any) -> None:
    uid = carts.of("ann").staging()
    address = share(over_http, uid, "link")["address"]
    assert over_http("HEAD", f"{address}?wait=1").status == 202
    assert over_http("HEAD", f"{address}?wait=21").status == 400
    carts.of("ann").fail(uid, "gone")
    assert over_http("GET", f"{address}?wait=20").json() == {"status": "error", "message": "gone"}


def test_whose_rights_count_is_the_recipients_and_of_a_link_the_owners(
    over_http: Transport, carts: Carter, links: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = []

    def check(cart: Any, reader: Any) -> None:
        readers.append((reader.owner, reader.acts_for))

    monkeypatch.setattr(app.system().shared_carts._views._rights, "check", check)
    uid = carts.of("ann").ready()
    for recipient, login in (("ben", BEN), ("link", BEN), ("link", {})):
        assert over_http("GET", share(over_http, uid, recipient)["address"], **login).status == 302
    assert readers == [("ben", "ben"), ("ann", "ann"), ("ann", "ann")]


def test_links_are_off_by_default_and_the_settings_reach_both(carts: Carter) -> None:
    sharing: Sharing = carts.system.sharing
    shared: SharedCarts = carts.system.shared_carts
    assert (sharing._links, shared._links, shared._url_life) == (False, False, 300)
