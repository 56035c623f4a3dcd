"""What answers say to people: where a cart is, which method to use, what a form or an unfinished download is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import requests

from tests.integration.api import server
from tests.integration.api.conftest import BUNDLE, Carter, new_uid
from tests.integration.api.server import Server
from tests.integration.api.transports import Transport

BODY = b'{"fileids": [{"id": 1, "path": "a"}]}'
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
MULTIPART_BODY = (
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="foo.json"\r\n\r\n' + BODY + b"\r\n--x--\r\n"
)


@pytest.fixture(scope="module")
def api(variables: dict[str, str], carts: Carter) -> Iterator[Server]:
    with server.granian(os.environ) as running:
        yield running


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (MULTIPART, MULTIPART_BODY),
        ("Multipart/Form-Data; boundary=x", MULTIPART_BODY),
        (FORM, b"fileids=1&path=a"),
        (FORM + "; charset=utf-8", b"%7B%22fileids%22%3A+%5B%5D%7D"),
    ],
)
def test_a_form_is_refused_by_its_name(call: Transport, carts: Carter, kind: str, body: bytes) -> None:
    before = carts.count()
    answer = call("POST", f"/{new_uid()}", body, content_type=kind)
    assert answer.status == 400
    assert f"is not JSON but a form ({kind.partition(';')[0].lower()})" in answer.json()["message"]
    assert "curl -X POST --upload-file" in answer.json()["message"]
    assert carts.count() == before


@pytest.mark.parametrize("kind", [MULTIPART, FORM])
@pytest.mark.parametrize("body", [BODY, b" \r\n" + BODY])
def test_a_manifest_that_is_only_called_a_form_is_taken(call: Transport, kind: str, body: bytes) -> None:
    assert call("POST", f"/{new_uid()}", body, content_type=kind).status == 201


@pytest.mark.parametrize("path", ["/a/b", "/group/my-cart", "/a/status/x", "/a/manifest/b"])
@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE", "OPTIONS"])
def test_a_uid_with_a_slash_is_404_with_the_rule(over_http: Transport, carts: Carter, method: str, path: str) -> None:
    before = carts.count()
    answer = over_http(method, path, BODY)
    assert answer.status == 404
    assert "a uid is 1 to 255 of A-Z a-z 0-9 . _ - without a slash" in answer.json()["message"]
    assert carts.count() == before


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/", {"GET", "OPTIONS"}),
        ("/a", {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}),
        ("/a/manifest", {"POST", "OPTIONS"}),
        ("/a/status", {"GET", "OPTIONS"}),
        ("/a/files", {"GET", "OPTIONS"}),
    ],
)
def test_options_is_204_with_the_methods(call: Transport, path: str, methods: set[str]) -> None:
    for body in (b"", b"ignored"):
        answer = call("OPTIONS", path, body)
        assert (answer.status, answer.body) == (204, b"")
        assert set(answer.headers["allow"].split(", ")) == methods
        assert "access-control-allow-origin" not in answer.headers


def test_every_body_ends_with_a_line_feed(call: Transport, carts: Carter) -> None:
    ready, waiting = carts.ready(), carts.waiting()
    for method, path, body in (
        ("GET", "/", b""), ("POST", f"/{new_uid()}", BODY), ("POST", f"/{new_uid()}", b"{"), ("PUT", "/a", b""),
        ("GET", f"/{ready}", b""), ("GET", f"/{ready}/status", b""), ("GET", f"/{ready}/files", b""),
        ("POST", f"/{new_uid()}/manifest", b""), ("DELETE", f"/{waiting}", b""), ("GET", f"/{waiting}", b""),
        ("GET", f"/{carts.error()}", b""),
    ):  # fmt: skip
        assert call(method, path, body).body.endswith(b"\n"), (method, path)


def test_get_of_an_unfinished_cart_has_a_body_only_where_one_is_asked_for(call: Transport, carts: Carter) -> None:
    uid = carts.staging()
    for accept in ("*/*", "application/x-tar", "*/*, application/json;q=0.5"):
        assert (call("GET", f"/{uid}", accept=accept).status, call("GET", f"/{uid}", accept=accept).body) == (202, b"")
    answer = call("GET", f"/{uid}", accept="application/json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"status": "staging", "message": "The cart is not ready for download."}
    page = call("GET", f"/{uid}", accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert page.headers["content-type"] == "text/html"
    assert b"not ready" in page.body


@pytest.mark.parametrize("accept", ["application/json", "text/html", "image/png", "application/x-tar", "nonsense", ""])
def test_a_ready_cart_redirects_whatever_is_accepted(call: Transport, carts: Carter, accept: str) -> None:
    assert call("GET", f"/{carts.ready()}", accept=accept).status == 302


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_download_that_is_asked_for_too_early_and_again_is_right(api: Server, carts: Carter, tmp_path: Path) -> None:
    """With a body, the first answer would become the head of the tar."""
    uid, target = carts.bundling(), tmp_path / "x.tar"
    command = ["curl", "-sSfL", "-C", "-", "-o", str(target), f"{api.url}/{uid}"]
    subprocess.run(command, check=True, timeout=20)
    assert not target.exists() or target.read_bytes() == b""
    carts.finish(uid)
    subprocess.run(command, check=True, timeout=20)
    assert target.read_bytes() == BUNDLE
    target.write_bytes(BUNDLE[:100])
    subprocess.run(command, check=True, timeout=20)
    assert target.read_bytes() == BUNDLE


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_resuming_while_the_cart_is_made_again_leaves_the_file_alone(
    api: Server, carts: Carter, tmp_path: Path
) -> None:
    uid, target = carts.waiting(), tmp_path / "x.tar"
    target.write_bytes(BUNDLE[:100])
    subprocess.run(["curl", "-sSfL", "-C", "-", "-o", str(target), f"{api.url}/{uid}"], timeout=20)
    assert target.read_bytes() == BUNDLE[:100]


def test_64_posts_at_once_with_different_bodies_do_not_mix(api: Server, carts: Carter) -> None:
    """Chalice keeps the current request on the app object, which all threads share."""
    batch, together = new_uid(), Barrier(64)

    def post(number: int) -> tuple[str, str, list[str]]:
        uid, names = f"{batch}-{number}", [f"file-{number}-{index}" for index in range(number + 1)]
        body = json.dumps({"fileids": [{"id": name, "path": name} for name in names], "pad": "x" * 500 * number})
        with requests.Session() as session:
            session.get(api.url, timeout=30)
            together.wait(30)
            answer = session.post(f"{api.url}/{uid}", data=body, timeout=30)
            files = session.get(f"{api.url}/{uid}/files", timeout=30).json()["files"]
        assert answer.status_code == 201
        return answer.json()["uid"], answer.headers["Location"], [file["path"] for file in files]

    with ThreadPoolExecutor(64) as pool:
        made = list(pool.map(post, range(64)))
    for number, (uid, location, paths) in enumerate(made):
        assert (uid, location) == (f"{batch}-{number}", f"/{batch}-{number}")
        assert paths == [f"file-{number}-{index}" for index in range(number + 1)]
