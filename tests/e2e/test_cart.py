"""The cart from POST to tar, over HTTP against the running system with the real archive interface."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import requests

from tests.e2e.cart_client import SEED, UNFINISHED, Cart, entry
from tests.e2e.local_system import LocalSystem


def test_the_readmes_cart_comes_as_posted(system: LocalSystem) -> None:
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


def test_a_body_never_follows_head_so_that_connections_can_be_kept(system: LocalSystem) -> None:
    cart = Cart(system.url).post(*SEED)
    with requests.Session() as session:
        for _ in range(3):
            assert session.head(cart.url, timeout=5).content == b""
            assert session.get(system.url, timeout=5).json()["message"] == "Pacifica Cartd Interface Up and Running"


def test_an_unknown_cart_is_404_everywhere(system: LocalSystem) -> None:
    cart = Cart(system.url)
    head = cart.head()
    assert head.status_code == 404
    assert head.headers["X-Pacifica-Status"] == "error"
    assert head.headers["X-Pacifica-Message"] == f"No cart with uid {cart.uid} found"
    assert cart.get().status_code == 404
    assert cart.get().json()["message"] == "The cart does not exist or has already been deleted"
    assert cart.delete().status_code == 404


def test_a_missing_file_keeps_its_cart_unfinished_and_then_fails_it_by_name(system: LocalSystem) -> None:
    cart = Cart(system.url).post(entry("not-there.txt", "a/not-there.txt"), *SEED)
    early = cart.head()
    assert early.status_code == 202
    assert int(early.headers["Retry-After"]) >= 1
    unready = cart.get()
    assert (unready.status_code, unready.text.strip()) == (202, "The cart is not ready for download.")
    assert cart.wait() == "error"
    head = cart.head()
    assert head.status_code == 500
    assert "not-there.txt" in head.headers["X-Pacifica-Message"]
    assert cart.get().status_code == 409
    assert cart.get().json()["status"] == "error"


def test_a_wrong_hash_fails_the_cart_and_the_right_one_posted_again_makes_it(system: LocalSystem) -> None:
    name = system.add_file("hashed.bin", b"some bytes")
    right = hashlib.sha256(b"some bytes").hexdigest()
    cart = Cart(system.url).post(entry(name, "hashed.bin", "sha256", "0" * 64))
    assert cart.wait() == "error"
    assert "hashed.bin" in cart.head().headers["X-Pacifica-Message"]
    cart.post(entry(name, "hashed.bin", "sha256", right.upper()))
    assert cart.wait() == "ready"
    assert cart.files() == {"hashed.bin": b"some bytes"}


def test_the_same_manifest_again_is_no_new_work(system: LocalSystem) -> None:
    cart = Cart(system.url).post(*SEED)
    cart.wait()
    cart.post(*SEED)
    assert cart.head().status_code == 204


def test_deleting_ends_the_cart_and_its_links(system: LocalSystem) -> None:
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
def test_the_download_has_the_name_asked_for(system: LocalSystem, filename: str, header: str) -> None:
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


def test_a_hostile_filename_stays_one_harmless_header(system: LocalSystem) -> None:
    cart = Cart(system.url).post(*SEED)
    cart.wait()
    answer = cart.get(params={"filename": '../a"b\r\nSet-Cookie: x=1/😀.tar'})
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert "/" not in answer.headers["Content-Disposition"].partition("filename*")[0]


def test_a_download_without_a_name_is_called_after_the_time(system: LocalSystem) -> None:
    cart = Cart(system.url).post(*SEED)
    cart.wait()
    name = time.strftime("data_%Y_", time.gmtime())
    assert f'filename="{name}' in cart.get().headers["Content-Disposition"]


def test_the_lines_the_system_prints_work_when_pasted(system: LocalSystem, tmp_path: Path) -> None:
    missing = [program for program in ("bash", "curl", "tar") if not shutil.which(program)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    printed = system.output()
    lines = printed[printed.index("MY_CART_UUID=") : printed.index("What each process says")]
    done = subprocess.run(
        ["bash", "-eu", "-c", lines], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "1/2/3/foo.txt" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1] or "{}") == {"message": "Cart Deleted Successfully"}
    assert (tmp_path / "my_cart.tar").stat().st_size > 0
