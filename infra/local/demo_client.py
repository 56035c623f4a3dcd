"""The HTTP client of `make demo`, which uses nothing but the service's HTTP API."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

CHUNK = 1 << 20


class DemoFailed(Exception):
    """A step of the demonstration failed; the message says which."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class CartClient:
    """One cart at the service at `host:port`. `token`: of a service with logins; it never goes to the store."""

    def __init__(self, host: str, port: int, uid: str, token: str = "") -> None:
        self._address = (host, port)
        self._path = f"/{uid}"
        self._login = {"Authorization": f"Bearer {token}"} if token else {}

    def post(self, manifest: dict[str, Any]) -> None:
        self._expect(201, self._request("POST", self._path, json.dumps(manifest).encode()))

    def status(self) -> dict[str, Any]:
        answer = self._expect(200, self._request("GET", f"{self._path}/status"))
        return dict(json.loads(answer.body))

    def bundle_url(self, filename: str) -> str:
        """The presigned URL that GET redirects to."""
        answer = self._expect(302, self._request("GET", f"{self._path}?filename={filename}"))
        return answer.headers["location"]

    def delete(self) -> None:
        self._expect(200, self._request("DELETE", self._path))

    def _request(self, method: str, path: str, body: bytes | None = None) -> Answer:
        connection = http.client.HTTPConnection(*self._address, timeout=60)
        try:
            connection.request(method, path, body, self._login)
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())
        finally:
            connection.close()

    def _expect(self, status: int, answer: Answer) -> Answer:
        if answer.status != status:
            body = answer.body.decode(errors="replace")[:500]
            raise DemoFailed(f"the service answered {answer.status} instead of {status}: {body}")
        return answer


def download(url: str) -> Iterator[bytes | int]:
    """Yields the bundle's size, then its bytes in chunks. The URL is signed: it needs no login."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=60)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        if response.status != 200:
            raise DemoFailed(f"the store answered {response.status}: {response.read()[:500]!r}")
        yield int(response.headers["Content-Length"])
        while chunk := response.read(CHUNK):
            yield chunk
    finally:
        connection.close()
