"""Uids, paths and file names a client may send: escaped, hostile or unusual."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.api.conftest import Carter, check_head
from tests.integration.api.transports import Transport

BODY = b'{"fileids": [{"id": 1, "path": "a"}]}'
BAD_UIDS = ["%2e%2e", ".", "-", "%2D", "a%20b", "a%2Fb", "a%00", "caf%C3%A9", "%ff", "a%0d%0ab", "a" * 256, "a+b"]
BAD_UIDS += ["~a", "a%3Fb"]
OWN_NAMES = ["carts", "limits", "metrics", "healthz", "shared", "shares", "status", "files", "manifest"]


@pytest.mark.parametrize("uid", BAD_UIDS)
def test_a_bad_uid_is_400_on_every_call(call: Transport, carts: Carter, uid: str) -> None:
    before = carts.count()
    for method, path, body in (
        ("POST", "", BODY),
        ("GET", "", b""),
        ("GET", "/status", b""),
        ("GET", "/files", b""),
        ("DELETE", "", b""),
    ):
        answer = call(method, f"/{uid}{path}", body)
        assert (method, path, answer.status) == (method, path, 400)
        assert "uid" in answer.json()["message"]
    assert carts.count() == before


@pytest.mark.parametrize("uid", BAD_UIDS)
def test_head_of_a_bad_uid_is_400_with_both_headers(call: Transport, uid: str) -> None:
    answer = call("HEAD", f"/{uid}")
    check_head(answer, 400, "error", answer.headers["x-pacifica-message"])
    assert "uid" in answer.headers["x-pacifica-message"]


@pytest.mark.parametrize("uid", ["a" * 255, "...", "--", "A.b_C-9", "%61bc", *OWN_NAMES])
def test_a_good_uid_is_accepted(call: Transport, uid: str) -> None:
    assert call("POST", f"/{uid}", BODY).status == 201
    assert call("HEAD", f"/{uid}").status == 202
    assert call("DELETE", f"/{uid}").status == 200


@pytest.mark.parametrize("what", ["a;b", "a#b", "//evil/", "//host/a", "///", "/a:b@c"])
def test_no_part_of_a_path_is_parsed_as_another_part_of_a_url(over_http: Transport, carts: Carter, what: str) -> None:
    before = carts.count()
    answer = over_http("POST", what if what.startswith("/") else f"/{what}", BODY)
    assert answer.status in (400, 404)
    assert carts.count() == before


def test_a_request_target_in_absolute_form_is_accepted(over_http: Transport, carts: Carter) -> None:
    assert over_http("HEAD", f"http://127.0.0.1:8081/{carts.ready()}").status == 204


FILENAMES = {
    "out.tar": 'filename="out.tar"',
    'a"b.tar': 'filename="a_b.tar"',
    "a%0d%0aSet-Cookie:x": 'filename="a__Set-Cookie:x"',
    "../../etc/passwd": 'filename="___.._etc_passwd"',
    "%F0%9F%9A%80.tar": "filename=\"_.tar\"; filename*=UTF-8''%F0%9F%9A%80.tar",
    "%00": 'filename="_"',
    "a" * 900: f'filename="{"a" * 255}"',
}


@pytest.mark.parametrize("filename", FILENAMES)
def test_a_strange_filename_stays_one_name_in_one_header(call: Transport, carts: Carter, filename: str) -> None:
    answer = call("GET", f"/{carts.ready()}?filename={filename}")
    assert answer.status == 302
    location = answer.headers["location"]
    assert location.isascii()
    assert location.isprintable()
    assert " " not in location
    assert disposition(location) == f"attachment; {FILENAMES[filename]}"


@pytest.mark.parametrize("query", ["", "?filename=", "?other=1"])
def test_without_a_filename_the_download_is_named_after_the_time(call: Transport, carts: Carter, query: str) -> None:
    location = call("GET", f"/{carts.ready()}{query}").headers["location"]
    assert re.fullmatch(r'attachment; filename="data_\d{4}(_\d\d){5}\.tar"', disposition(location))


def test_the_store_sends_the_requested_filename(call: Transport, carts: Carter) -> None:
    location = call("GET", f"/{carts.ready()}?filename=my%20data.tar").headers["location"]
    download = requests.get(location, timeout=10)
    assert download.headers["Content-Disposition"] == 'attachment; filename="my data.tar"'
    assert download.headers["Content-Type"] == "application/x-tar"


def disposition(location: str) -> str:
    return parse_qs(urlsplit(location).query)["response-content-disposition"][0]


PATH = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#"), max_size=40)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=st.sampled_from(["GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS", "PATCH", "BREW"]), path=PATH)
def test_no_path_is_a_server_error(over_http: Transport, method: str, path: str) -> None:
    answer = over_http(method, f"/{path}", b"{")
    assert answer.status < 500
    if method == "HEAD":
        check_head(answer, answer.status, "error", answer.headers["x-pacifica-message"])
        assert answer.headers["x-pacifica-message"]
    elif answer.status >= 400:
        assert answer.json()["status"] == "error"
