"""A client of the cart's REST API, used for the cart and for the peer: post, poll, download, delete."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from typing import IO
from urllib.parse import urlsplit

from bench.files import File

TIMEOUT = 600.0
CHUNK = 1 << 20
SHORTEST_POLL, LONGEST_POLL = 0.01, 0.05
RETRY_RESETS_FOR = 60.0
CONNECTION_ERRORS = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A cart's last status and message, and the number of polls until then."""

    status: str
    message: str
    polls: int


class CartClient:
    """One keep-alive connection; not thread-safe."""

    def __init__(self, url: str) -> None:
        self._netloc = urlsplit(url).netloc
        self._connection: http.client.HTTPConnection | None = None
        self.resets = 0

    def post(self, uid: str, files: Sequence[File]) -> float:
        """Seconds until the response. Reset connections are counted and retried, because the peer resets some."""
        body = json.dumps({"fileids": [file.entry() for file in files]}).encode()
        began = time.perf_counter()
        while True:
            try:
                status, _, answer = self._request("POST", uid, body)
            except CONNECTION_ERRORS:
                self.resets += 1
                if time.perf_counter() - began > RETRY_RESETS_FOR:
                    raise
                time.sleep(0.05)
            else:
                break
        if status != 201:
            raise ValueError(f"POST answered {status}: {answer[:300]!r}")
        return time.perf_counter() - began

    def wait(self, uid: str, limit: float) -> Outcome:
        """Poll until the cart is ready or in error, for `limit` seconds at most.

        The pause is 2 % of the time waited so far, so polling adds at most that to a measurement.
        """
        began = time.perf_counter()
        polls = 0
        while True:
            status, message = self.head(uid)
            polls += 1
            waited = time.perf_counter() - began
            if status not in ("waiting", "staging", "bundling", "unavailable"):
                return Outcome(status, message, polls)
            if waited > limit:
                return Outcome(f"still {status} after {limit:.0f} s", message, polls)
            time.sleep(min(LONGEST_POLL, max(SHORTEST_POLL, waited / 50)))

    def head(self, uid: str) -> tuple[str, str]:
        """The cart's status and message."""
        for last in (False, True):
            try:
                headers = self._request("HEAD", uid)[1]
                break
            except CONNECTION_ERRORS:
                if last:
                    raise
        return headers.get("X-Pacifica-Status", ""), headers.get("X-Pacifica-Message", "")

    def delete(self, uid: str) -> None:
        self._request("DELETE", uid)

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def _request(self, method: str, uid: str, body: bytes | None = None) -> tuple[int, Message, bytes]:
        """Status, headers and body. After a failure the next request opens a new connection."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._netloc, timeout=TIMEOUT)
        try:
            self._connection.request(method, f"/{uid}", body, {"Content-Type": "application/json"} if body else {})
            response = self._connection.getresponse()
            answer = response.read()
        except CONNECTION_ERRORS:
            self.close()
            raise
        if response.will_close:
            self.close()
        return response.status, response.headers, answer


def follow(url: str) -> http.client.HTTPResponse:
    """The open response of a GET after at most one redirect. The caller closes it."""
    for _ in range(2):
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT)
        connection.request("GET", _target(url), headers={"Connection": "close"})
        response = connection.getresponse()
        if response.status != 302:
            break
        url = response.headers["Location"]
        response.read()
    if response.status != 200:
        raise ValueError(f"GET answered {response.status}: {response.read(300)!r}")
    return response


def redirect_of(url: str) -> str:
    """The URL that a GET redirects to, or `url` itself when it does not redirect."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT)
    try:
        connection.request("GET", _target(url))
        return connection.getresponse().headers.get("Location") or url
    finally:
        connection.close()


def fetch(url: str, out: IO[bytes] | None) -> int:
    """Download to `out`, or discard the bytes if it is None. Returns their number."""
    buffer = memoryview(bytearray(CHUNK))
    received = 0
    with follow(url) as response:
        while read := response.readinto(buffer):
            received += read
            if out is not None:
                out.write(buffer[:read])
    return received


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
