"""What `make run` keeps is for its user alone, and its object store answers nobody without the key."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import requests

from tests.e2e.cart_client import Cart
from tests.e2e.local_system import LocalSystem


def test_nothing_in_the_home_is_for_other_users(system: LocalSystem) -> None:
    make_cart(system)
    # The archive has the user's own files; SeaweedFS sets modes of its own inside its folder.
    not_ours = {*system.archive.rglob("*"), *(system.home / "store").rglob("*")}
    made = [path for path in system.home.rglob("*") if path not in not_ours]
    names = {path.name for path in made}
    assert {"keys.json", "cart.db", "ports.json", "api.log", "store.pem", "tmp"} <= names
    assert {str(path): oct(mode(path)) for path in made if mode(path) & 0o077} == {}


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_no_port_of_the_store_serves_a_request_without_credentials(system: LocalSystem) -> None:
    cart = make_cart(system)
    bundle = "/" + cart.get(allow_redirects=False).headers["Location"].split("/", 3)[3].partition("?")[0]
    ports = json.loads((system.home / "ports.json").read_text())
    store = {name: port for name, port in ports.items() if name.startswith("weed-") or name == "s3"}
    assert len(store) == 10
    for name, port in store.items():
        for method in ("DELETE", "GET"):
            for path in (f"/buckets{bundle}", bundle, "/buckets/?recursive=true", "/dir/status"):
                assert served(method, f"http://127.0.0.1:{port}{path}") in (0, 400, 403), (name, method, path)
                assert served(method, f"https://127.0.0.1:{port}{path}") == 0, (name, method, path)
    assert cart.files() == {"a.txt": b"mine"}


def make_cart(system: LocalSystem) -> Cart:
    cart = Cart(system.url).post({"id": system.add_file("mine.txt", b"mine"), "path": "a.txt"})
    assert cart.wait() == "ready"
    return cart


def served(method: str, url: str) -> int:
    """The status of a request without credentials; 0 if there was no answer."""
    try:
        return requests.request(method, url, timeout=10, verify=False).status_code
    except requests.RequestException:
        return 0


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
