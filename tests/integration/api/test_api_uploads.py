"""Uploaded manifests over the wire: where to PUT one, and what the POST that binds it answers."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

import app
from chalicelib.posting.limits import ManifestLimits
from tests.integration.api.conftest import MANIFEST, Carter, new_uid
from tests.integration.api.transports import Answer, Transport

BODY = json.dumps(MANIFEST).encode()


def upload(call: Transport, uid: str, content: bytes = BODY) -> str:
    """Upload a manifest; the upload's name."""
    slot = call("POST", f"/{uid}/manifest").json()
    put(slot["url"], content)
    name: str = slot["upload"]
    return name


def post(call: Transport, uid: str, **said: Any) -> Answer:
    return call("POST", f"/{uid}", json.dumps({"manifest": "uploaded", **said}).encode())


def test_each_call_names_another_upload(call: Transport) -> None:
    uid = new_uid()
    answers = [call("POST", f"/{uid}/manifest").json() for _ in range(2)]
    assert answers[0]["upload"] != answers[1]["upload"]
    assert answers[0]["url"].split("?")[0] != answers[1]["url"].split("?")[0]


def test_an_upload_is_posted_by_its_name_or_as_the_newest(call: Transport, carts: Carter) -> None:
    uid = new_uid()
    name = upload(call, uid)
    assert post(call, uid, upload=name).status == 201
    cart = carts.find(uid)
    assert (cart.state, cart.uploaded) == ("waiting", 1)
    assert [post(call, uid, **said).status for said in ({}, {"upload": name}, {"upload": None})] == [201, 201, 201]
    assert carts.find(uid) == cart


def test_an_upload_of_another_cart_answers_as_one_that_never_was(call: Transport, carts: Carter) -> None:
    before, others = carts.count(), upload(call, new_uid())
    uid = new_uid()
    answers = [post(call, uid, upload=name) for name in (others, "0" * 32, "../x", "é", "x" * 5000)]
    assert {answer.status for answer in answers} == {400}
    assert len({answer.json()["message"] for answer in answers}) == 1
    assert carts.count() == before


@pytest.mark.parametrize(
    ("said", "place"),
    [({"upload": 7}, "upload"), ({"upload": ["x"]}, "upload"), ({"root": "a/b"}, "root"), ({"names": "odd"}, "names")],
)
def test_what_the_post_says_is_checked_before_anything_is_bound(
    call: Transport, carts: Carter, said: dict[str, Any], place: str
) -> None:
    before, uid = carts.count(), new_uid()
    upload(call, uid)
    answer = post(call, uid, **said)
    assert answer.status == 400
    assert answer.json()["message"].startswith(f"{place}: ")
    assert carts.count() == before


def test_what_was_overwritten_is_400_and_a_new_url_helps(call: Transport, carts: Carter) -> None:
    uid = new_uid()
    slot = call("POST", f"/{uid}/manifest").json()
    for content, status in ((BODY, 201), (b"other", 400), (BODY, 201)):
        put(slot["url"], content)
        assert post(call, uid, upload=slot["upload"]).status == status
    upload(call, uid, b"other")
    before = carts.find(uid)
    assert post(call, uid).status == 201
    assert carts.find(uid).id != before.id


def test_after_delete_an_upload_of_before_is_400(call: Transport) -> None:
    uid = new_uid()
    upload(call, uid)
    assert call("POST", f"/{uid}", BODY).status == 201
    name = upload(call, uid, b"other")
    assert call("DELETE", f"/{uid}").status == 200
    assert [post(call, uid).status, post(call, uid, upload=name).status] == [400, 400]


def test_an_upload_over_the_limit_is_413(over_http: Transport, carts: Carter, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = new_uid()
    upload(over_http, uid)
    uploads = app.system().service._poster._uploads
    monkeypatch.setattr(uploads, "_limits", ManifestLimits(body=1, upload=len(BODY) - 1, entries=1))
    before = carts.count()
    answer = post(over_http, uid)
    assert answer.status == 413
    assert f"MAX_MANIFEST, {len(BODY) - 1} bytes" in answer.json()["message"]
    assert carts.count() == before


def put(url: str, content: bytes) -> None:
    request = urllib.request.Request(url, data=content, method="PUT", headers={"Content-Type": ""})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
