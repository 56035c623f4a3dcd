"""A client of the cart service that knows HTTP and tar, and nothing of the product's code."""

from __future__ import annotations

import io
import tarfile
import time
import uuid
from typing import Any

import requests

UNFINISHED = {"waiting", "staging", "bundling", "unavailable"}
TIMEOUT = 30


class Cart:
    def __init__(self, service: str, uid: str = "") -> None:
        self.uid = uid or str(uuid.uuid4())
        self.url = service + self.uid
        #: Status code and state of each HEAD.
        self.seen: list[tuple[int, str]] = []

    def post(self, *entries: dict[str, Any], **more: Any) -> Cart:
        response = requests.post(self.url, json={"fileids": list(entries), **more}, timeout=TIMEOUT)
        assert response.status_code == 201, response.text
        assert response.json()["message"] == "Cart Processing has begun"
        return self

    def head(self) -> requests.Response:
        response = requests.head(self.url, timeout=TIMEOUT)
        self.seen.append((response.status_code, response.headers["X-Pacifica-Status"]))
        return response

    def wait(self, within: float = 40.0) -> str:
        """Poll until the cart is finished; returns its state. Fails after `within` seconds."""
        deadline = time.monotonic() + within
        while (state := self.head().headers["X-Pacifica-Status"]) in UNFINISHED:
            assert time.monotonic() < deadline, f"still {state} after {within} s"
            time.sleep(0.1)
        return state

    def get(self, **options: Any) -> requests.Response:
        return requests.get(self.url, timeout=TIMEOUT, **options)

    def files(self) -> dict[str, bytes]:
        """Download the bundle; returns the content of each file by its path below the cart's root."""
        response = self.get()
        assert response.status_code == 200, response.text
        assert len(response.history) == 1, "expected one redirect"
        return untar(response.content, self.uid)

    def delete(self) -> requests.Response:
        return requests.delete(self.url, timeout=TIMEOUT)


def untar(content: bytes, root: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as bundle:
        for member in bundle:
            assert member.name == root or member.name.startswith(f"{root}/")
            if member.isfile():
                extracted = bundle.extractfile(member)
                assert extracted is not None
                files[member.name.removeprefix(f"{root}/")] = extracted.read()
    return files


def entry(archive_id: str, path: str, hash_name: str = "", hash_hex: str = "") -> dict[str, Any]:
    return {"id": archive_id, "path": path, "hashtype": hash_name or "md5", "hashsum": hash_hex}


#: The three files of the README's example.
SEED = (
    entry("foo.txt", "1/2/3/foo.txt"),
    entry("bar.csv", "1/2/3/bar.csv"),
    entry("baz.ini", "2/3/4/baz.ini"),
)
