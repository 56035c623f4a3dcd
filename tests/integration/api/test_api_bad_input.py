"""Bad input: 400 or 413 with the place, and nothing is created; over every transport."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.api.conftest import Carter, new_uid
from tests.integration.api.transports import Transport

GOOD = {"id": "foo.txt", "path": "foo.txt"}
MIB = 1 << 20


def one(**field: Any) -> dict[str, Any]:
    """A manifest whose only entry has these fields changed."""
    return {"fileids": [GOOD | field]}


BODIES: dict[str, tuple[Any, str]] = {
    "empty": (b"", "body: is empty"),
    "blank": (b" \r\n", "body: is empty"),
    "not JSON": (b"{", "body: is not JSON"),
    "cut off": (b'{"fileids": [{"id": 1, "path": "a"}', "fileids[1]: is not JSON"),
    "a form": (b"fileids=1&path=a", "body: looks like a form"),
    "CSV": (b"id,path\n1,a\n", "body: looks like CSV"),
    "a trailing comma": (b'{"fileids": [{"id": 1, "path": "a"},\n]}', "line 2, column 1: there is a comma before ']'"),
    "NaN": (b'{"fileids": NaN}', "fileids: is not JSON"),
    "an endless number": (b'{"fileids": [{"path": "a", "id": ' + b"9" * 5000 + b"}]}", "fileids[0].id: "),
    "endless nesting": (b"[" * 100_000, "body: "),
    "a list": ([], "body: must be an object, not a list"),
    "null": (None, "body: must be an object, not null"),
    "text": ("fileids", "body: must be an object, not a string"),
    "no fileids": ({"files": []}, "there is a key 'files'; the list must be called 'fileids'"),
    "no file": ({"fileids": []}, "fileids: is empty"),
    "fileids an object": ({"fileids": {"id": 1}}, "fileids: must be a list, not an object"),
    "fileids null": ({"fileids": None}, "fileids: must be a list, not null"),
    "entry a string": ({"fileids": ["foo.txt"]}, "fileids[0]: must be an object"),
    "second entry null": ({"fileids": [GOOD, None]}, "fileids[1]: must be an object"),
    "no id": ({"fileids": [{"path": "a"}]}, "fileids[0].id: is missing"),
    "id true": (one(id=True), "fileids[0].id: "),
    "id a decimal": (one(id=1.5), "fileids[0].id: "),
    "id empty": (one(id=""), "fileids[0].id: is empty"),
    "id with a slash": (one(id="a/b"), "fileids[0].id: "),
    "id with a query": (one(id="a?b"), "fileids[0].id: "),
    "id with a fragment": (one(id="a#b"), "fileids[0].id: "),
    "id that climbs": (one(id=".."), "fileids[0].id: "),
    "id too long": (one(id="i" * 256), "fileids[0].id: "),
    "id with a line feed": (one(id="a\nb"), "fileids[0].id: "),
    "no path": ({"fileids": [{"id": 1}]}, "fileids[0].path: is missing"),
    "path a number": (one(path=7), "fileids[0].path: must be a string"),
    "path empty": (one(path=""), "fileids[0].path: is empty"),
    "path only a slash": (one(path="/"), "fileids[0].path: is empty"),
    "path absolute": (one(path="//etc/passwd"), "fileids[0].path: "),
    "path that climbs": (one(path="a/../b"), "fileids[0].path: "),
    "path with a dot": (one(path="a/./b"), "fileids[0].path: "),
    "path with an empty segment": (one(path="a//b"), "fileids[0].path: "),
    "path that ends in a slash": (one(path="a/"), "fileids[0].path: "),
    "path with NUL": (one(path="a\0b"), "fileids[0].path: "),
    "path with a control": (one(path="a\x1bb"), "fileids[0].path: "),
    "path with a backslash": (one(path="a\\b"), "fileids[0].path: "),
    "path with half a surrogate": (b'{"fileids": [{"id": 1, "path": "a\\ud800"}]}', "fileids[0].path: "),
    "segment too long": (one(path="ä" * 128), "fileids[0].path: "),
    "path too long": (one(path="/".join(["a" * 200] * 21)), "fileids[0].path: "),
    "hash unknown": (one(hashtype="crc32", hashsum="00"), "fileids[0].hashtype: "),
    "hash variable": (one(hashtype="shake_128", hashsum="00"), "fileids[0].hashtype: "),
    "hash a number": (one(hashtype=1, hashsum="00"), "fileids[0].hashtype: "),
    "hash of no type": (one(hashsum="00"), "fileids[0].hashtype: is missing"),
    "hash too short": (one(hashtype="md5", hashsum="00"), "fileids[0].hashsum: "),
    "hash not hexadecimal": (one(hashtype="md5", hashsum="z" * 32), "fileids[0].hashsum: "),
    "the same path twice": ({"fileids": [GOOD, GOOD]}, "fileids[1].path: "),
    "a file as folder": ({"fileids": [GOOD, GOOD | {"path": "foo.txt/x"}]}, "fileids[1].path: "),
    "a folder as file": ({"fileids": [GOOD | {"path": "d/x"}, GOOD | {"path": "d"}]}, "fileids[1].path: "),
    "root that climbs": ({"fileids": [GOOD], "root": ".."}, "root: "),
    "root with a slash": ({"fileids": [GOOD], "root": "a/b"}, "root: "),
    "root a number": ({"fileids": [GOOD], "root": 1}, "root: "),
}


@pytest.mark.parametrize("what", BODIES)
def test_a_bad_body_is_400_with_its_place_and_creates_nothing(call: Transport, carts: Carter, what: str) -> None:
    body, place = BODIES[what]
    before = carts.count()
    answer = call("POST", f"/{new_uid()}", body if isinstance(body, bytes) else json.dumps(body).encode())
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["status"] == "error"
    assert place in answer.json()["message"]
    assert carts.count() == before


def test_a_bad_body_does_not_change_the_existing_cart(call: Transport, carts: Carter) -> None:
    uid = carts.ready()
    before = carts.find(uid)
    assert call("POST", f"/{uid}", b"{}").status == 400
    assert carts.find(uid) == before


def test_a_body_that_is_not_utf_8_is_400(over_http: Transport) -> None:
    answer = over_http("POST", f"/{new_uid()}", b'{"fileids": "\xff"}')
    assert answer.status == 400
    assert "body: is not UTF-8 at byte 13" in answer.json()["message"]


def test_every_problem_is_named_at_once(call: Transport) -> None:
    answer = call("POST", f"/{new_uid()}", json.dumps({"fileids": [GOOD | {"id": ""}, {"path": ".."}]}).encode())
    for place in ("fileids[0].id", "fileids[1].path", "fileids[1].id"):
        assert place in answer.json()["message"]


def test_a_body_over_the_limit_is_413_with_the_limit(call: Transport, carts: Carter) -> None:
    before = carts.count()
    answer = call("POST", f"/{new_uid()}", json.dumps(one(path="a")).encode() + b" " * MIB)
    assert answer.status == 413
    assert answer.json() == {"status": "error", "message": f"The body is larger than MAX_BODY, {MIB} bytes."}
    assert carts.count() == before


def test_a_body_of_exactly_the_limit_is_accepted(call: Transport, carts: Carter) -> None:
    uid = new_uid()
    assert call("POST", f"/{uid}", json.dumps(one(path="a")).encode().ljust(MIB)).status == 201
    assert carts.find(uid).files_total == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_body_on_get_head_and_delete_is_ignored(call: Transport, method: str) -> None:
    assert call(method, f"/{new_uid()}", b"x", content_type="text/plain").status == 404


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON; charset=utf-8", "text/plain", "a b c", "application/octet-stream", ""],
)
def test_json_is_parsed_whatever_the_content_type(call: Transport, carts: Carter, kind: str) -> None:
    uid = new_uid()
    assert call("POST", f"/{uid}", json.dumps(one(path="a")).encode(), content_type=kind).status == 201
    assert carts.find(uid).files_total == 1


def test_json_is_parsed_from_what_curl_declares_a_form(call: Transport, carts: Carter) -> None:
    uid, form = new_uid(), "application/x-www-form-urlencoded"
    assert call("POST", f"/{uid}", json.dumps(one(path="a")).encode(), content_type=form).status == 201
    assert carts.find(uid).files_total == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200))
def test_random_bytes_are_never_a_server_error(over_http: Transport, raw: bytes) -> None:
    assert over_http("POST", "/hypothesis", raw).status == 400
