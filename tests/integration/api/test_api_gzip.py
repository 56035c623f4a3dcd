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
BINARY = pytest.mark.parametrize("call", ["asgi", "wsgi", "lambda in base64"], indirect=True)


@BINARY
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " gzip", "x-gzip", "X-GZip"])
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
    entries = b",".join(b'{"id": 1, "path": "%d", "note": "%s"}' % (number, b"x" * 100) for number in range(40_000))
    answer = call("POST", f"/{new_uid()}", gzip.compress(b'{"fileids": [%s]}' % entries), content_encoding="gzip")
    assert answer.status == 413
    assert str(4 * MIB) in answer.json()["message"]
    blanks = call("POST", f"/{new_uid()}", gzip.compress(b" " * (64 * MIB)), content_encoding="gzip")
    assert (blanks.status, "blanks" in blanks.json()["message"]) == (400, True)


@BINARY
@pytest.mark.parametrize("encoding", ["", "identity", "deflate", "br", "gzip, gzip"])
def test_gzip_is_known_by_its_first_bytes_whatever_the_header_says(
    call: Transport, carts: Carter, encoding: str
) -> None:
    uid = new_uid()
    assert call("POST", f"/{uid}", PACKED, content_encoding=encoding).status == 201
    assert carts.find(uid).files_total == 2


@pytest.mark.parametrize("encoding", ["identity", "gzip", "x-gzip", "", "gzip, identity", " , "])
def test_a_plain_manifest_is_accepted_under_an_encoding_that_changes_nothing(call: Transport, encoding: str) -> None:
    assert call("POST", f"/{new_uid()}", BODY, content_encoding=encoding).status == 201


@pytest.mark.parametrize(
    "encoding", ["deflate", "br", "zstd", "compress", "gzip, br", "gzip,gzip", "x-gzip, gzip", "é"]
)
def test_another_encoding_is_415_and_named(call: Transport, carts: Carter, encoding: str) -> None:
    before = carts.count()
    answer = call("POST", f"/{new_uid()}", BODY, content_encoding=encoding)
    assert answer.status == 415
    assert f"Content-Encoding: {encoding} is not supported" in answer.json()["message"]
    assert answer.headers["accept-encoding"] == "gzip"
    assert carts.count() == before


@BINARY
def test_gzip_that_ends_early_is_said(call: Transport) -> None:
    assert call("POST", f"/{new_uid()}", PACKED[:-9]).json()["message"] == "body: is truncated gzip"


def test_asking_for_an_upload_returns_where_to_put_it(call: Transport) -> None:
    answer = call("POST", f"/{new_uid()}/manifest")
    assert answer.status == 200
    assert answer.json()["method"] == "PUT"
    assert answer.json()["expires_in"] > 0
    assert answer.json()["url"].split("?")[0].endswith(f"/manifests/{answer.json()['upload']}")
    assert call("POST", "/a%20b/manifest").status == 400


def test_a_manifest_that_was_never_uploaded_is_400(call: Transport, carts: Carter) -> None:
    before = carts.count()
    answer = call("POST", f"/{new_uid()}", b'{"manifest": "uploaded"}')
    assert answer.status == 400
    assert answer.json()["message"].startswith("manifest: ")
    assert carts.count() == before
