"""GET /-/carts: one's own carts, the newest first, page by page."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from tests.integration.api.conftest import BUNDLE, Carter, new_uid
from tests.integration.api.transports import Transport

pytestmark = pytest.mark.usefixtures("logins")


def new_owner() -> str:
    return f"owner-{new_uid()}"


def page(call: Transport, owner: str, query: str = "", login: str = "") -> dict[str, Any]:
    answer = call("GET", f"/-/carts{query}", authorization=login or owner)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


def test_a_new_owner_has_no_carts(call: Transport) -> None:
    owner = new_owner()
    assert page(call, owner) == {"owner": owner, "carts": [], "next": None}


def test_ones_own_carts_are_listed_the_newest_first_and_no_others(call: Transport, carts: Carter) -> None:
    owner = new_owner()
    mine = carts.of(owner)
    uids = [mine.waiting(), mine.ready(), mine.error("bar.csv: gone")]
    carts.of(new_owner()).ready()
    mine.deleted()
    mine.expired()
    failed, ready, waiting = page(call, owner)["carts"]
    assert [cart["uid"] for cart in (waiting, ready, failed)] == uids
    assert [cart["status"] for cart in (waiting, ready, failed)] == ["waiting", "ready", "error"]
    assert (failed["message"], ready["message"]) == ("bar.csv: gone", "")
    assert (ready["files"], ready["bytes"], ready["bundle"], waiting["ended"]) == (2, 40, len(BUNDLE), None)
    assert datetime.fromisoformat(ready["ended"]) >= datetime.fromisoformat(ready["created"])
    assert "owner" not in ready


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_have_every_cart_once(call: Transport, carts: Carter, limit: int) -> None:
    owner = new_owner()
    uids = [carts.of(owner).waiting() for _ in range(7)]
    found, after = [], ""
    while True:
        answer = page(call, owner, f"?limit={limit}{after}")
        assert len(answer["carts"]) <= limit
        found += [cart["uid"] for cart in answer["carts"]]
        carts.of(owner).waiting()  # a new cart does not move the pages behind it
        if answer["next"] is None:
            break
        after = f"&after={answer['next']}"
    assert found == uids[::-1]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("ready", ["ready"]),
        ("error,waiting", ["error", "waiting"]),
        (" ready , ready,", ["ready"]),
        ("", ["error", "ready", "bundling", "staging", "waiting"]),
        ("staging,bundling", ["bundling", "staging"]),
    ],
)
def test_states_are_filtered(call: Transport, carts: Carter, states: str, expected: list[str]) -> None:
    owner = new_owner()
    for state in ("waiting", "staging", "bundling", "ready", "error"):
        getattr(carts.of(owner), state)()
    found = page(call, owner, f"?state={states.replace(' ', '%20')}")["carts"]
    assert [cart["status"] for cart in found] == expected


@pytest.mark.parametrize("query", ["state=expired", "state=Ready", "state=ready;error", "state=%00", "state=ready,x"])
def test_an_unknown_state_is_400(call: Transport, query: str) -> None:
    answer = call("GET", f"/-/carts?{query}", authorization="ann")
    assert (answer.status, answer.json()["message"][:6]) == (400, "state:")


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=1001", "after=x", "after=", "after=9223372036854775808", "limit=1.5"]
)
def test_a_bad_page_is_refused_by_name(call: Transport, query: str) -> None:
    answer = call("GET", f"/-/carts?{query}", authorization="ann")
    assert (answer.status, answer.json()["message"].startswith(query.partition("=")[0])) == (400, True)


def test_a_page_beyond_the_last_is_empty(call: Transport, carts: Carter) -> None:
    owner = new_owner()
    carts.of(owner).waiting()
    assert page(call, owner, "?after=0")["carts"] == []
    assert len(page(call, owner, "?limit=0")["carts"]) == 1


def test_a_list_needs_a_login_that_may_read(call: Transport) -> None:
    assert call("GET", "/-/carts").status == 401
    refused = call("GET", "/-/carts", authorization="ann writer")
    assert (refused.status, "carts:read" in refused.json()["message"]) == (403, True)


def test_an_administrator_lists_another_owner_nobody_and_everybody(call: Transport, carts: Carter) -> None:
    one, other = new_owner(), new_owner()
    mine, theirs, nobodys = carts.of(one).waiting(), carts.of(other).waiting(), carts.waiting()

    def listed(owner: str) -> dict[str, str]:
        found = page(call, owner, f"?owner={owner}", "root admin")
        assert found["owner"] == owner
        return {cart["uid"]: cart["owner"] for cart in found["carts"]}

    assert listed(one) == {mine: one}
    everybody = listed("*")
    assert (everybody[mine], everybody[theirs], everybody[nobodys]) == (one, other, "")
    assert set(listed("").values()) == {""}
    assert page(call, "root admin")["owner"] == "root"


def test_the_owner_of_that_name_is_not_everybody(call: Transport, carts: Carter) -> None:
    carts.of("ann").waiting()
    assert page(call, "*")["carts"] == []


def test_a_replaced_cart_is_listed_once(call: Transport, carts: Carter) -> None:
    owner = new_owner()
    uid = carts.of(owner).ready()
    body = json.dumps({"fileids": [{"id": 9, "path": "z"}]}).encode()
    assert call("POST", f"/{uid}", body, authorization=owner).status == 201
    [found] = page(call, owner)["carts"]
    assert (found["uid"], found["status"], found["files"]) == (uid, "waiting", 1)
