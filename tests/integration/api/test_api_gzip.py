"""Gzipped bodies: decompressed up to a limit, and refused with a reason if they are broken."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.integration.api.conftest import MANIFEST, Carter, new_uid
from tests.integration.api.transports import Transport

BODY = json.dumps(MANIFEST).encode()
PACKED = gzip.compress(BODY, mtime=0)
MIB = 1 << 20
#: the transports that can carry binary bodies
BINARY = pytest.mark.parametrize("call", ["wsgi", "lambda in base64"], indirect=True)


@BINARY
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " gzip"])
def test_a_gzipped_manifest_is_accepted(call: Transport, carts: Carter, encoding: str) -> None:
    uid = new_uid()
    assert call("POST", f"/{uid}", PACKED, content_encoding=encoding).status == 201
    assert carts.find(uid).files_total == 2
    assert call("POST", f"/{uid}", BODY).status == 201
    assert carts.find(uid).state == "waiting"


@BINARY
@pytest.mark.parametrize(
    "body", [PACKED[:-9], PACKED[:12], b"\x1f\x8b", b"\x1f\x8bnonsense", gzip.compress(b"{", mtime=0)]
)
def test_a_broken_gzip_is_400(call: Transport, carts: Carter, body: bytes) -> None:
    before = carts.count()
    answer = call("POST", f"/{new_uid()}", body, content_encoding="gzip")
    assert answer.status == 400
    assert answer.json()["message"].startswith("body: ")
    assert carts.count() == before


@BINARY
def test_a_gzip_bomb_is_413(call: Transport) -> None:
    answer = call("POST", f"/{new_uid()}", gzip.compress(b" " * (64 * MIB)), content_encoding="gzip")
    assert answer.status == 413
    assert str(4 * MIB) in answer.json()["message"]


@BINARY
def test_gzip_without_its_content_encoding_is_400(call: Transport) -> None:
    answer = call("POST", f"/{new_uid()}", PACKED)
    assert answer.status == 400
    assert answer.json()["message"].startswith("body: ")


def test_asking_for_an_upload_returns_where_to_put_it(call: Transport) -> None:
    answer = call("POST", f"/{new_uid()}/manifest")
    assert answer.status == 200
    assert answer.json()["method"] == "PUT"
    assert answer.json()["expires_in"] > 0
    assert call("POST", "/a%20b/manifest").status == 400


def test_a_manifest_that_was_never_uploaded_is_400(call: Transport, carts: Carter) -> None:
    before = carts.count()
    answer = call("POST", f"/{new_uid()}", b'{"manifest": "uploaded"}')
    assert answer.status == 400
    assert answer.json()["message"].startswith("manifest: ")
    assert carts.count() == before
