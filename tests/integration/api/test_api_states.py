"""The wire protocol for a cart in each of its states, over every transport."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
import requests

from tests.integration.api.conftest import BUNDLE, MANIFEST, Carter, check_head, new_uid
from tests.integration.api.transports import Transport

GONE = "The cart does not exist or has already been deleted"
EXPIRED = "The cart has expired; post its manifest again to rebuild it."
UNFINISHED = ("waiting", "staging", "bundling")


def test_the_root_reports_that_the_service_runs(call: Transport) -> None:
    answer = call("GET", "/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"message": "Pacifica Cartd Interface Up and Running"}


def test_a_post_creates_a_waiting_cart(call: Transport, carts: Carter) -> None:
    uid = new_uid()
    answer = call("POST", f"/{uid}", json.dumps(MANIFEST).encode())
    assert answer.status == 201
    assert answer.headers["location"] == f"/{uid}"
    assert answer.json() == {
        "message": "Cart Processing has begun",
        "uid": uid,
        "status": f"/{uid}/status",
        "download": f"/{uid}",
        "warnings": [],
    }
    assert (carts.find(uid).state, carts.find(uid).files_total) == ("waiting", 2)


def test_the_same_manifest_again_is_the_same_cart(call: Transport, carts: Carter) -> None:
    uid = carts.staging()
    before = carts.find(uid)
    assert call("POST", f"/{uid}", json.dumps(MANIFEST, indent=2).encode()).status == 201
    assert carts.find(uid) == before


def test_another_manifest_replaces_the_cart(call: Transport, carts: Carter) -> None:
    uid = carts.ready()
    assert call("POST", f"/{uid}", b'{"fileids": [{"id": 3, "path": "c"}]}').status == 201
    assert (carts.find(uid).state, carts.find(uid).files_total) == ("waiting", 1)


@pytest.mark.parametrize("state", ["error", "expired", "deleted"])
def test_posting_a_failed_expired_or_deleted_cart_again_starts_over(call: Transport, carts: Carter, state: str) -> None:
    uid = getattr(carts, state)()
    assert call("POST", f"/{uid}", json.dumps(MANIFEST).encode()).status == 201
    assert carts.find(uid).state == "waiting"


@pytest.mark.parametrize("state", UNFINISHED)
def test_head_of_an_unfinished_cart_is_202_with_its_state(call: Transport, carts: Carter, state: str) -> None:
    answer = call("HEAD", f"/{getattr(carts, state)()}")
    check_head(answer, 202, state)
    assert int(answer.headers["retry-after"]) > 0


def test_head_reports_progress(call: Transport, carts: Carter) -> None:
    answer = call("HEAD", f"/{carts.bundling()}")
    counts, _, waits = answer.headers["x-pacifica-progress"].partition("; waiting_for=")
    assert counts == "files=2/2; bytes=40/40; bundled=0/3584"
    assert waits.startswith("worker; since=")


def test_head_of_a_ready_cart_is_204(call: Transport, carts: Carter) -> None:
    answer = call("HEAD", f"/{carts.ready()}")
    check_head(answer, 204, "ready")
    assert "retry-after" not in answer.headers


def test_head_of_a_failed_cart_is_500_with_its_message(call: Transport, carts: Carter) -> None:
    check_head(call("HEAD", f"/{carts.error('bar.csv: gone')}"), 500, "error", "bar.csv: gone")


def test_a_message_becomes_one_short_line_of_ascii(call: Transport, carts: Carter) -> None:
    uid = carts.error("ünï\r\nSet-Cookie: x" + "y" * 900)
    answer = call("HEAD", f"/{uid}")
    assert answer.status == 500
    message = answer.headers["x-pacifica-message"]
    assert message.startswith("?n? Set-Cookie: xyyy")
    assert message.isascii()
    assert len(message) <= 512


@pytest.mark.parametrize("state", ["unknown", "deleted"])
def test_head_of_a_missing_cart_is_404_with_the_uid(call: Transport, carts: Carter, state: str) -> None:
    uid = getattr(carts, state)()
    check_head(call("HEAD", f"/{uid}"), 404, "error", f"No cart with uid {uid} found")


def test_head_of_an_expired_cart_is_404_with_its_own_message(call: Transport, carts: Carter) -> None:
    check_head(call("HEAD", f"/{carts.expired()}"), 404, "error", EXPIRED)


def test_get_of_a_ready_cart_redirects_to_its_bundle(call: Transport, carts: Carter) -> None:
    answer = call("GET", f"/{carts.ready()}")
    assert answer.status == 302
    assert answer.headers["location"] in answer.body.decode()
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-pacifica-bundle-size"] == str(len(BUNDLE))
    download = requests.get(answer.headers["location"], timeout=10)
    assert download.status_code == 200
    assert download.content == BUNDLE
    assert download.headers["ETag"].strip('"') == answer.headers["x-pacifica-bundle-etag"]


def test_a_download_serves_ranges(call: Transport, carts: Carter) -> None:
    url = call("GET", f"/{carts.ready()}").headers["location"]
    download = requests.get(url, headers={"Range": "bytes=4-9"}, timeout=10)
    assert (download.status_code, download.content) == (206, BUNDLE[4:10])


@pytest.mark.parametrize("state", UNFINISHED)
def test_get_of_an_unfinished_cart_is_202(call: Transport, carts: Carter, state: str) -> None:
    answer = call("GET", f"/{getattr(carts, state)()}")
    assert answer.status == 202
    assert answer.body == b""
    assert answer.headers["x-pacifica-message"] == "The cart is not ready for download."
    assert int(answer.headers["retry-after"]) > 0


def test_get_of_a_failed_cart_is_409_with_its_message(call: Transport, carts: Carter) -> None:
    answer = call("GET", f"/{carts.error('bär.csv: gone')}")
    assert answer.status == 409
    assert answer.json() == {"status": "error", "message": "bär.csv: gone"}


@pytest.mark.parametrize("path", ["", "/status", "/files"])
@pytest.mark.parametrize(("state", "message"), [("unknown", GONE), ("deleted", GONE), ("expired", EXPIRED)])
def test_get_of_a_missing_cart_is_404(call: Transport, carts: Carter, path: str, state: str, message: str) -> None:
    answer = call("GET", f"/{getattr(carts, state)()}{path}")
    assert answer.status == 404
    assert answer.json() == {"status": "error", "message": message}


@pytest.mark.parametrize("state", [*UNFINISHED, "ready", "error", "expired"])
def test_delete_removes_a_cart(call: Transport, carts: Carter, state: str) -> None:
    uid = getattr(carts, state)()
    answer = call("DELETE", f"/{uid}")
    assert (answer.status, answer.json()) == (200, {"message": "Cart Deleted Successfully"})
    assert call("HEAD", f"/{uid}").status == 404
    again = call("DELETE", f"/{uid}")
    assert (again.status, again.json()) == (404, {"status": "error", "message": GONE})


def test_a_url_handed_out_before_the_delete_stops_working(call: Transport, carts: Carter) -> None:
    uid = carts.ready()
    url = call("GET", f"/{uid}").headers["location"]
    assert requests.get(url, timeout=10).content == BUNDLE
    assert call("DELETE", f"/{uid}").status == 200
    assert requests.get(url, timeout=10).status_code in (403, 404)


@pytest.mark.parametrize("state", [*UNFINISHED, "ready", "error"])
def test_status_has_the_state_and_its_times(call: Transport, carts: Carter, state: str) -> None:
    uid = getattr(carts, state)()
    answer = call("GET", f"/{uid}/status")
    assert answer.status == 200
    body = answer.json()
    assert (body["uid"], body["status"]) == (uid, state)
    assert (body["message"] != "") == (state == "error")
    assert body["files"]["total"] == 2
    assert (body["times"]["ended"] is not None) == (state in ("ready", "error"))
    age = datetime.now().astimezone() - datetime.fromisoformat(body["times"]["created"])
    assert abs(age.total_seconds()) < 60
    assert (body["bundle"] is not None) == (state == "ready")


def test_files_are_paged(call: Transport, carts: Carter) -> None:
    manifest = {"fileids": [{"id": f"f{number}", "path": f"d/{number}"} for number in range(5)]}
    uid = carts.waiting(manifest)
    first = call("GET", f"/{uid}/files?limit=2").json()
    assert [file["path"] for file in first["files"]] == ["d/0", "d/1"]
    second = call("GET", f"/{uid}/files?limit=2&after={first['next']}").json()
    last = call("GET", f"/{uid}/files?limit=2&after={second['next']}").json()
    assert [file["id"] for file in second["files"] + last["files"]] == ["f2", "f3", "f4"]
    assert last["next"] is None
    assert {file["state"] for file in first["files"]} == {"waiting"}


def test_files_of_a_ready_cart_are_bundled(call: Transport, carts: Carter) -> None:
    files = call("GET", f"/{carts.ready()}/files").json()
    assert [file["state"] for file in files["files"]] == ["bundled", "bundled"]
    assert files["next"] is None


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "limit=10001", "after=1e3", "after=", "limit=" + "9" * 5000])
def test_a_bad_page_parameter_is_refused_by_name(call: Transport, carts: Carter, query: str) -> None:
    answer = call("GET", f"/{carts.waiting()}/files?{query}")
    assert answer.status == 400
    assert answer.json()["message"].startswith(query.partition("=")[0])


def test_leading_zeros_do_not_widen_a_page(call: Transport, carts: Carter) -> None:
    assert call("GET", f"/{carts.waiting()}/files?limit={'0' * 30}10001").status == 400
    assert call("GET", f"/{carts.waiting()}/files?limit={'0' * 30}2").status == 200
