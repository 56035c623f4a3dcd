"""A cart from POST to tar, over HTTP, with the real archive interface."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from pathlib import Path

import pytest
import requests

from tests.e2e.cart_client import SEED, UNFINISHED, Cart, entry
from tests.e2e.local_system import LocalSystem
from tests.programs import need


def test_the_cart_of_the_readme_has_the_posted_files(system: LocalSystem) -> None:
    cart = Cart(system.url).post(*SEED)
    assert cart.wait() == "ready"
    assert cart.files() == {
        "1/2/3/foo.txt": (system.archive / "foo.txt").read_bytes(),
        "1/2/3/bar.csv": (system.archive / "bar.csv").read_bytes(),
        "2/3/4/baz.ini": (system.archive / "baz.ini").read_bytes(),
    }


def test_head_is_202_until_it_is_204(system: LocalSystem) -> None:
    cart = Cart(system.url).post(*SEED)
    cart.wait()
    assert {code for code, state in cart.seen if state in UNFINISHED} <= {202}
    assert cart.seen[-1] == (204, "ready")
    assert cart.head().headers["X-Pacifica-Message"] == ""


def test_head_has_no_body_so_that_connections_can_be_reused(system: LocalSystem) -> None:
    cart = Cart(system.url).post(*SEED)
    with requests.Session() as session:
        for _ in range(3):
            assert session.head(cart.url, timeout=5).content == b""
            assert session.get(system.url, timeout=5).json()["message"] == "Pacifica Cartd Interface Up and Running"


def test_an_unknown_cart_gets_404_from_every_method(system: LocalSystem) -> None:
    cart = Cart(system.url)
    head = cart.head()
    assert head.status_code == 404
    assert head.headers["X-Pacifica-Status"] == "error"
    assert head.headers["X-Pacifica-Message"] == f"No cart with uid {cart.uid} found"
    assert cart.get().status_code == 404
    assert cart.get().json()["message"] == "The cart does not exist or has already been deleted"
    assert cart.delete().status_code == 404


def test_a_cart_with_a_missing_file_is_retried_and_then_fails_with_its_name(system: LocalSystem) -> None:
    cart = Cart(system.url).post(entry("not-there.txt", "a/not-there.txt"), *SEED)
    early = cart.head()
    assert early.status_code == 202
    assert int(early.headers["Retry-After"]) >= 1
    unfinished = cart.get()
    assert (unfinished.status_code, unfinished.content) == (202, b"")
    assert unfinished.headers["X-Pacifica-Message"] == "The cart is not ready for download."
    assert cart.wait() == "error"
    head = cart.head()
    assert head.status_code == 500
    assert "not-there.txt" in head.headers["X-Pacifica-Message"]
    assert cart.get().status_code == 409
    assert cart.get().json()["status"] == "error"


def test_a_wrong_hash_fails_the_cart_until_the_right_one_is_posted(system: LocalSystem) -> None:
    name = system.add_file("hashed.bin", b"some bytes")
    right = hashlib.sha256(b"some bytes").hexdigest()
    cart = Cart(system.url).post(entry(name, "hashed.bin", "sha256", "0" * 64))
    assert cart.wait() == "error"
    assert "hashed.bin" in cart.head().headers["X-Pacifica-Message"]
    cart.post(entry(name, "hashed.bin", "sha256", right.upper()))
    assert cart.wait() == "ready"
    assert cart.files() == {"hashed.bin": b"some bytes"}


def test_posting_the_same_manifest_again_starts_no_work(system: LocalSystem) -> None:
    cart = Cart(system.url).post(*SEED)
    cart.wait()
    cart.post(*SEED)
    assert cart.head().status_code == 204


def test_delete_removes_the_cart_and_breaks_its_links(system: LocalSystem) -> None:
    cart = Cart(system.url).post(*SEED)
    cart.wait()
    link = cart.get(allow_redirects=False).headers["Location"]
    assert requests.get(link, timeout=5).status_code == 200
    deleted = cart.delete()
    assert (deleted.status_code, deleted.json()) == (200, {"message": "Cart Deleted Successfully"})
    assert cart.head().status_code == 404
    assert cart.get().status_code == 404
    assert cart.delete().status_code == 404
    assert requests.get(link, timeout=5).status_code == 404


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("my_cart.tar", 'attachment; filename="my_cart.tar"'),
        ("größe.tar", "attachment; filename=\"grosse.tar\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.tar"),
    ],
)
def test_the_download_has_the_requested_filename(system: LocalSystem, filename: str, header: str) -> None:
    cart = Cart(system.url).post(*SEED)
    cart.wait()
    disposition = cart.get(params={"filename": filename}).headers["Content-Disposition"]
    assert disposition.isascii()
    assert disposition.startswith("attachment; filename=")
    assert header.partition(";")[0] in disposition
    if filename.isascii():
        assert disposition == header
    else:
        assert "filename*=UTF-8''gr%C3%B6%C3%9Fe.tar" in disposition


def test_a_hostile_filename_cannot_inject_a_header(system: LocalSystem) -> None:
    cart = Cart(system.url).post(*SEED)
    cart.wait()
    response = cart.get(params={"filename": '../a"b\r\nSet-Cookie: x=1/😀.tar'})
    assert response.status_code == 200
    assert "Set-Cookie" not in response.headers
    assert "/" not in response.headers["Content-Disposition"].partition("filename*")[0]


def test_the_default_filename_contains_the_time(system: LocalSystem) -> None:
    cart = Cart(system.url).post(*SEED)
    cart.wait()
    name = time.strftime("data_%Y_", time.gmtime())
    assert f'filename="{name}' in cart.get().headers["Content-Disposition"]


def test_the_printed_commands_work_when_pasted(system: LocalSystem, tmp_path: Path) -> None:
    need("bash", "curl", "tar")
    output = system.output()
    last = output.index("curl -X DELETE")
    commands = output[output.index("MY_CART_UUID=") : output.index("\n", last)]
    done = subprocess.run(
        ["bash", "-eu", "-c", 2 * f"{commands}\n"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1/2/3/foo.txt" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1] or "{}") == {"message": "Cart Deleted Successfully"}
    assert [tar.stat().st_size > 0 for tar in tmp_path.glob("*.tar")] == [True, True]
