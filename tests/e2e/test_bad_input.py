"""Bad input gets a clear error and changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.e2e.cart_client import Cart
from tests.e2e.local_system import LocalSystem

GOOD = {"id": "foo.txt", "path": "foo.txt"}

BODIES: dict[str, tuple[Any, str]] = {
    "empty": (b"", "body"),
    "not JSON": (b"{", "body"),
    "not UTF-8": (b'{"fileids": "\xff"}', "body"),
    "not an object": ([], "body"),
    "no fileids": ({}, "fileids"),
    "empty fileids": ({"fileids": []}, "fileids"),
    "fileids not a list": ({"fileids": "foo.txt"}, "fileids"),
    "entry not an object": ({"fileids": ["foo.txt"]}, "fileids[0]"),
    "no path": ({"fileids": [{"id": "foo.txt"}]}, "fileids[0].path"),
    "id of the wrong type": ({"fileids": [GOOD | {"id": True}]}, "fileids[0].id"),
    "id that leaves the archive": ({"fileids": [GOOD | {"id": "../secret"}]}, "fileids[0].id"),
    "absolute path": ({"fileids": [GOOD | {"path": "//etc/passwd"}]}, "fileids[0].path"),
    "path that leaves the bundle": ({"fileids": [GOOD | {"path": "a/../../b"}]}, "fileids[0].path"),
    "NUL in a path": ({"fileids": [GOOD | {"path": "a\0b"}]}, "fileids[0].path"),
    "segment too long": ({"fileids": [GOOD | {"path": "ä" * 128}]}, "fileids[0].path"),
    "path too long": ({"fileids": [GOOD | {"path": "a/" * 2048 + "b"}]}, "fileids[0].path"),
    "unknown hash": ({"fileids": [GOOD | {"hashtype": "crc32", "hashsum": "00"}]}, "fileids[0].hashtype"),
    "hash of variable length": (
        {"fileids": [GOOD | {"hashtype": "shake_128", "hashsum": "00"}]},
        "fileids[0].hashtype",
    ),
    "hash too short": ({"fileids": [GOOD | {"hashtype": "md5", "hashsum": "00"}]}, "fileids[0].hashsum"),
    "the same path twice": ({"fileids": [GOOD, GOOD]}, "fileids[1].path"),
    "a file as a folder": ({"fileids": [GOOD, GOOD | {"path": "foo.txt/x"}]}, "fileids[1].path"),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_bad_body_gets_400_with_the_place_and_creates_no_cart(system: LocalSystem, case: str) -> None:
    body, place = BODIES[case]
    cart = Cart(system.url)
    response = requests.post(cart.url, data=body if isinstance(body, bytes) else json.dumps(body), timeout=5)
    assert response.status_code == 400
    assert place in response.json()["message"]
    assert cart.head().status_code == 404


def test_all_problems_are_reported_at_once(system: LocalSystem) -> None:
    body = {"fileids": [GOOD | {"id": ""}, GOOD | {"path": ".."}]}
    message = requests.post(Cart(system.url).url, json=body, timeout=5).json()["message"]
    assert "fileids[0].id" in message
    assert "fileids[1].path" in message


@pytest.mark.parametrize("uid", ["a%20b", "%2e%2e", "a" * 256, "caf%C3%A9", "a;b"])
def test_a_bad_uid_gets_400(system: LocalSystem, uid: str) -> None:
    response = requests.post(system.url + uid, json={"fileids": [GOOD]}, timeout=5)
    assert response.status_code == 400
    assert "uid" in response.json()["message"]


def test_a_body_over_the_limit_gets_413_with_the_limit(system: LocalSystem) -> None:
    response = requests.post(Cart(system.url).url, data=b" " * ((64 << 20) + 1), timeout=30)
    assert response.status_code == 413
    assert str(64 << 20) in response.json()["message"]


def test_no_response_contains_a_traceback(system: LocalSystem) -> None:
    for method in ("GET", "HEAD", "POST", "DELETE", "PUT", "PATCH"):
        response = requests.request(method, system.url + "%00%ff/../x", data=b"\xff", timeout=5)
        assert 400 <= response.status_code < 500
        assert "Traceback" not in response.text
