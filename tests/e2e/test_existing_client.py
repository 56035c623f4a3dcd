"""The existing client, pacifica-downloader 0.4.1, works unmodified."""

from __future__ import annotations

import hashlib
from pathlib import Path

import requests
from pacifica.downloader import Downloader

from tests.e2e.conftest import Make
from tests.e2e.local_system import LocalSystem
from tests.issuer import AUDIENCE, Issuer


def test_the_existing_client_downloads_its_files(system: LocalSystem, tmp_path: Path) -> None:
    for number in range(3):
        system.add_file(str(number), b"content %d" % number)
    files = {
        "0": {
            "subdir": "a/b",
            "name": "zero.txt",
            "hashtype": "sha1",
            "hashsum": hashlib.sha1(b"content 0").hexdigest(),
        },
        "1": {"subdir": "", "name": "one.txt", "hashtype": "sha1", "hashsum": hashlib.sha1(b"content 1").hexdigest()},
        "2": {"subdir": "a", "name": "unhashed.txt"},
    }
    downloader = Downloader(cart_api_url=system.url.rstrip("/"))
    downloader.transactioninfo(str(tmp_path), {"files": files})
    (root,) = tmp_path.iterdir()
    downloaded = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert downloaded == {"a/b/zero.txt": b"content 0", "one.txt": b"content 1", "a/unhashed.txt": b"content 2"}


def test_the_existing_client_logs_in_with_a_token_as_password(new_system: Make, tmp_path: Path) -> None:
    issuer, keys, there = Issuer(), tmp_path / "jwks.json", tmp_path / "downloaded"
    keys.write_bytes(issuer.jwks())
    login = {"AUTH": "oidc", "OIDC_ISSUERS": issuer.name, "OIDC_AUDIENCE": AUDIENCE, "OIDC_JWKS_FILE": str(keys)}
    system = new_system(**login).start()
    system.add_file("0", b"content 0")
    assert (
        requests.post(f"{system.url}a", json={"fileids": [{"id": "0", "path": "zero.txt"}]}, timeout=9).status_code
        == 401
    )
    there.mkdir()
    downloader = Downloader(cart_api_url=system.url.rstrip("/"), auth={"auth": ("anybody", issuer.token())})
    downloader.transactioninfo(str(there), {"files": {"0": {"subdir": "a", "name": "zero.txt"}}})
    [found] = [path for path in there.rglob("*") if path.is_file()]
    assert found.read_bytes() == b"content 0"
