"""A cart as a client sees it: HTTP and a tar, nothing else."""

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
        self.seen: list[tuple[int, str]] = []

    def post(self, *entries: dict[str, Any], **more: Any) -> Cart:
        answer = requests.post(self.url, json={"fileids": list(entries), **more}, timeout=TIMEOUT)
        assert answer.status_code == 201, answer.text
        assert answer.json() == {"message": "Cart Processing has begun"}
        return self

    def head(self) -> requests.Response:
        answer = requests.head(self.url, timeout=TIMEOUT)
        self.seen.append((answer.status_code, answer.headers["X-Pacifica-Status"]))
        return answer

    def wait(self, within: float = 40.0) -> str:
        """The state it ends in."""
        deadline = time.monotonic() + within
        while (state := self.head().headers["X-Pacifica-Status"]) in UNFINISHED:
            assert time.monotonic() < deadline, f"still {state} after {within} s"
            time.sleep(0.1)
        return state

    def get(self, **options: Any) -> requests.Response:
        return requests.get(self.url, timeout=TIMEOUT, **options)

    def files(self) -> dict[str, bytes]:
        """Path below the cart's root -> content of every file in the downloaded tar."""
        answer = self.get()
        assert answer.status_code == 200, answer.text
        assert len(answer.history) == 1, "one redirect"
        return untar(answer.content, self.uid)

    def delete(self) -> requests.Response:
        return requests.delete(self.url, timeout=TIMEOUT)


def untar(content: bytes, root: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as bundle:
        for member in bundle:
            assert member.name == root or member.name.startswith(f"{root}/")
            if member.isfile():
                extracted = bundle.extractfile(member)
                assert extracted is not None
                found[member.name.removeprefix(f"{root}/")] = extracted.read()
    return found


def entry(archive_id: str, path: str, hash_name: str = "", hash_hex: str = "") -> dict[str, Any]:
    return {"id": archive_id, "path": path, "hashtype": hash_name or "md5", "hashsum": hash_hex}


SEED = (
    entry("foo.txt", "1/2/3/foo.txt"),
    entry("bar.csv", "1/2/3/bar.csv"),
    entry("baz.ini", "2/3/4/baz.ini"),
)
