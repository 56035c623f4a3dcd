"""Whose a cart is: another's cart is like one that does not exist, and administrators act for its owner."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

import app
from tests.integration.api.conftest import MANIFEST, Carter, new_uid
from tests.integration.api.transports import Answer, Transport

pytestmark = pytest.mark.usefixtures("logins")

STATES = ("waiting", "staging", "bundling", "ready", "error", "expired", "deleted")
BODY = json.dumps(MANIFEST).encode()
SHARE = b'{"with": "cleo"}'
#: Every route of a cart, and every method that it may be tried with.
CALLS = [
    (method, path.replace("{share}", "1"))
    for path in app.app.routes
    if path.startswith("/{uid}")
    for method in ("HEAD", "GET", "POST", "DELETE", "OPTIONS", "PUT", "PATCH")
    if (method, path) not in {("POST", "/{uid}"), ("POST", "/{uid}/manifest")}  # these make a cart of one's own
]


@pytest.fixture(scope="module")
def anns(carts: Carter) -> dict[str, str]:
    """State -> a cart of ann's in that state; no test here changes them."""
    return {state: getattr(carts.of("ann"), state)() for state in STATES}


def body_of(method: str, path: str) -> bytes:
    return SHARE if method == "POST" and path.endswith("/shares") else b""


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_what_is_anothers_is_like_what_does_not_exist(
    over_http: Transport, anns: dict[str, str], statements: list[str], method: str, path: str
) -> None:
    """Byte for byte, and by the same statements, so that it takes the same time."""

    def ask(uid: str) -> tuple[int, dict[str, str], bytes, list[str]]:
        statements.clear()
        target = path.replace("{uid}", uid) + "?wait=3&limit=5"
        answer = over_http(method, target, body_of(method, path), authorization="ben")
        same = {name: value.replace(uid, "UID") for name, value in answer.headers.items() if name != "content-length"}
        return answer.status, same, answer.body.replace(uid.encode(), b"UID"), list(statements)

    nothing = ask(new_uid())
    assert (nothing[0], bool(nothing[3])) in ((404, True), (405, False), (204, False))
    for state, uid in anns.items():
        assert ask(uid) == nothing, state


def test_a_post_tells_nothing_about_the_carts_of_others(
    over_http: Transport, anns: dict[str, str], statements: list[str]
) -> None:
    def ask(uid: str, path: str) -> tuple[int, set[str], bytes, int]:
        statements.clear()
        answer = over_http("POST", f"/{uid}{path}", BODY, authorization=f"ben-{new_uid()}")
        body = answer.body.replace(uid.encode(), b"UID") if path == "" else b""  # a URL and a token differ each time
        own = [sql for sql in statements if "switches" not in sql]  # what is paused is remembered for some seconds
        return answer.status, set(answer.headers), body, len(own)

    for path in ("", "/manifest"):
        nothing = ask(new_uid(), path)
        assert nothing[0] == (200 if path else 201)
        for state, uid in anns.items():
            assert ask(uid, path) == nothing, state


def test_a_cart_with_shares_is_like_one_that_does_not_exist(over_http: Transport, carts: Carter) -> None:
    uid = carts.of("ann").ready()
    made = over_http("POST", f"/{uid}/shares", b'{"with": "ben"}', authorization="ann").json()
    for method, path in (("GET", "/shares"), ("DELETE", f"/shares/{made['id']}"), ("HEAD", ""), ("GET", "")):
        assert over_http(method, f"/{uid}{path}", authorization="ben").status == 404
    assert over_http("DELETE", f"/{uid}/shares/{made['id']}", authorization="ann").status == 200


def test_uids_are_each_owners_own(call: Transport, carts: Carter) -> None:
    uid = new_uid()
    for owner, name in (("ann", "a"), ("ben", "b")):
        body = json.dumps({"fileids": [{"id": name, "path": name}]}).encode()
        assert call("POST", f"/{uid}", body, authorization=owner).status == 201
    assert call("DELETE", f"/{uid}", authorization="ann").status == 200
    assert call("HEAD", f"/{uid}", authorization="ann").status == 404
    files = call("GET", f"/{uid}/files", authorization="ben").json()["files"]
    assert [file["path"] for file in files] == ["b"]


def test_an_upload_is_of_use_only_to_its_owner(call: Transport, carts: Carter) -> None:
    uid = new_uid()
    slot = call("POST", f"/{uid}/manifest", authorization="ann").json()
    notice = json.dumps({"manifest": "uploaded", "upload": slot["upload"]}).encode()
    stolen = call("POST", f"/{uid}", notice, authorization="ben")
    unknown = call("POST", f"/{uid}", notice.replace(slot["upload"].encode(), b"0" * 32), authorization="ben")
    assert (stolen.status, stolen.body) == (400, unknown.body)
    newest = call("POST", f"/{uid}", b'{"manifest": "uploaded"}', authorization="ben")
    assert newest.status == 400
    assert "nothing has been uploaded" in newest.json()["message"]


@pytest.mark.parametrize("state", ["waiting", "staging", "bundling", "ready", "error"])
@pytest.mark.parametrize("owner", ["ann", ""])
def test_an_administrator_sees_and_ends_the_carts_of_the_owner_named(
    call: Transport, carts: Carter, owner: str, state: str
) -> None:
    """Those of nobody too, which were made before clients had to log in."""
    whose = carts.of(owner) if owner else carts
    uid = getattr(whose, state)()

    def ask(method: str, path: str = "", login: str = "root admin") -> Answer:
        return call(method, f"/{uid}{path}?owner={owner}", authorization=login)

    assert call("GET", f"/{uid}/status", authorization="root admin").status == 404, "not without naming the owner"
    assert ask("GET", "/status").json()["status"] == state
    assert ask("HEAD").headers["x-pacifica-status"] == state
    assert ask("GET").status in (202, 302, 409)
    assert len(ask("GET", "/files").json()["files"]) == 2
    assert ask("GET", "/shares").status == 200
    assert ask("DELETE", login="ben").status == 403
    assert ask("DELETE").status == 200
    assert ask("HEAD").status == 404


def test_an_administrator_makes_nothing_for_others(call: Transport, carts: Carter) -> None:
    uid, before = carts.of("ann").ready(), carts.count()
    for path, body in (("", BODY), ("/manifest", b""), ("/shares", SHARE)):
        for target in (uid, new_uid()):
            answer = call("POST", f"/{target}{path}?owner=ann", body, authorization="root admin")
            assert (answer.status, answer.json()["message"][:6]) == (403, "owner:")
    assert carts.count() == before
    assert call("POST", f"/{uid}?owner=root", BODY, authorization="root admin").status == 201, "it is his own name"


@pytest.mark.parametrize("owner", ["ann", "", "*", "nobody-of-this-name", "ben%20"])
def test_others_may_not_name_an_owner_whether_or_not_the_cart_exists(
    call: Transport, carts: Carter, owner: str
) -> None:
    uid, none = carts.of("ann").ready(), new_uid()
    for method, path in (("GET", ""), ("GET", "/status"), ("DELETE", ""), ("POST", ""), ("GET", "/shares")):
        known, unknown = (call(method, f"/{each}{path}?owner={owner}", authorization="ben") for each in (uid, none))
        assert known == unknown
        assert known.status == 403
    assert call("GET", f"/-/carts?owner={owner}", authorization="ben").status == 403
    assert call("GET", f"/{carts.of('ben').ready()}?owner=ben", authorization="ben").status == 302


@pytest.mark.parametrize(
    ("login", "allowed", "refused"),
    [
        ("ann reader", ["GET", "HEAD", "GET /status", "GET /files", "GET /shares"], ["POST", "DELETE", "POST /shares"]),
        ("ann writer", ["POST", "POST /manifest"], ["GET", "GET /status", "GET /files", "GET /shares"]),
    ],
)
def test_a_login_may_do_what_its_scopes_say(
    call: Transport, carts: Carter, login: str, allowed: list[str], refused: list[str]
) -> None:
    uid = carts.of("ann").ready()
    for one in allowed:
        method, _, path = one.partition(" ")
        assert call(method, f"/{uid}{path}", BODY * (one == "POST"), authorization=login).status < 400, one
    lacking = "carts:write" if login == "ann reader" else "carts:read"
    for one in refused:
        method, _, path = one.partition(" ")
        answer = call(method, f"/{uid}{path}", SHARE, authorization=login)
        assert (answer.status, answer.json()["message"].endswith(f"it lacks the scope {lacking}.")) == (403, True), one
    head = call("HEAD", f"/{uid}", authorization="ann writer")
    assert (head.status, "carts:read" in head.headers["x-pacifica-message"]) == (403, True)


def test_without_a_login_every_cart_is_401_alike(call: Transport, carts: Carter) -> None:
    uid = carts.of("ann").ready()
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/status"), ("GET", "/shares")):
        answer = call(method, f"/{uid}{path}")
        assert answer == call(method, f"/{new_uid()}{path}")
        assert answer.status == 401


def test_requests_of_many_owners_at_once_are_never_mixed(over_http: Transport, carts: Carter) -> None:
    """24 owners use the same uids, and each finds what it posted itself."""
    uids = [new_uid() for _ in range(3)]

    def use(owner: str) -> list[list[str]]:
        for uid in uids:
            body = json.dumps({"fileids": [{"id": owner, "path": f"{owner}/{uid}"}]}).encode()
            assert over_http("POST", f"/{uid}", body, authorization=owner).status == 201
        found = [over_http("GET", f"/{uid}/files", authorization=owner).json()["files"] for uid in uids]
        listed = over_http("GET", "/-/carts", authorization=owner).json()
        assert (listed["owner"], len(listed["carts"])) == (owner, 3)
        return [[file["path"] for file in files] for files in found]

    owners = [f"owner-{new_uid()[:8]}-{number}" for number in range(24)]
    with ThreadPoolExecutor(24) as pool:
        assert list(pool.map(use, owners)) == [[[f"{owner}/{uid}"] for uid in uids] for owner in owners]
