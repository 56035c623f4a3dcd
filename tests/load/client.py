"""A client in a closed loop: posts a cart, polls it, downloads it, deletes it, and starts over."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.chaos import reference
from tests.chaos.reference import File

TIMEOUT = 60.0
POLL_JITTER = (0.8, 1.2)  # times Retry-After
SIZES = (0, 100, 4096, 20_000, 60_000)
#: Few enough that carts share staged files, many enough that files are evicted and pulled again.
FILE_COUNT = 4000


@dataclass
class Tally:
    """What all clients saw: times by kind of request, statuses, and a line for each lost cart."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    carts: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, kind: str, status: int, seconds: float) -> None:
        with self.lock:
            self.seconds.setdefault(kind, []).append(seconds)
            self.statuses[f"{kind} {status}"] += 1

    def record_cart(self, seconds: float, problem: str) -> None:
        with self.lock:
            self.carts += 1
            self.seconds.setdefault("cart, POST to ready", []).append(seconds)
            if problem:
                self.lost.append(problem)

    def failures(self) -> dict[str, int]:
        """Requests that got 500 or above, or 0 for a broken connection. A HEAD of a cart in error gets 500 too."""
        return {what: count for what, count in self.statuses.items() if what.split()[-1] >= "500" or " 0" in what}


class LoadClient(threading.Thread):
    def __init__(self, number: int, seed: int, url: str, until: float, cart_timeout: float, tally: Tally) -> None:
        """`until`: when to post no more carts, on the monotonic clock. `cart_timeout`: seconds from POST to ready."""
        super().__init__(name=f"client-{number}", daemon=True)
        self._rng = random.Random(f"{seed} {number}")
        self._uid = f"load-{number}"
        self._netloc = urlsplit(url).netloc
        self._until = until
        self._cart_timeout = cart_timeout
        self._tally = tally
        self._connection = http.client.HTTPConnection(self._netloc, timeout=TIMEOUT)

    def run(self) -> None:
        time.sleep(self._rng.uniform(0, 3))
        while time.monotonic() < self._until:
            files = self._files()
            start = time.monotonic()
            self._request("POST", self._manifest(files))
            state = self._wait(start)
            problem = "" if state == "ready" else f"{self._uid}: {state}"
            self._tally.record_cart(time.monotonic() - start, problem or self._download(files))
            self._request("DELETE")

    def _files(self) -> list[File]:
        chosen = self._rng.sample(range(FILE_COUNT), self._rng.randint(1, 20))
        return [File(f"gen-{SIZES[number % len(SIZES)]}-load-{number}", f"d/{number}") for number in chosen]

    def _manifest(self, files: list[File]) -> bytes:
        entries = [{"id": file.archive_id, "path": file.path} for file in files]
        return json.dumps({"fileids": entries}).encode()

    def _wait(self, start: float) -> str:
        """The state the cart ends in, or that it is late."""
        while time.monotonic() < start + self._cart_timeout:
            _, headers, _ = self._request("HEAD")
            state = headers.get("X-Pacifica-Status", "")
            if state not in ("waiting", "staging", "bundling", "unavailable", ""):
                return state
            time.sleep(float(headers.get("Retry-After", 1)) * self._rng.uniform(*POLL_JITTER))
        return f"not ready after {self._cart_timeout:.0f} s"

    def _download(self, files: list[File]) -> str:
        """What is wrong with the bundle; empty if nothing is."""
        status, headers, _ = self._request("GET")
        if status != 302:
            return f"{self._uid}: GET returned {status}"
        start, parts = time.monotonic(), urlsplit(headers["Location"])
        connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
        try:
            connection.request("GET", f"{parts.path}?{parts.query}")
            response = connection.getresponse()
            actual = hashlib.sha256(response.read()).digest()
        except (OSError, http.client.HTTPException) as error:
            return f"{self._uid}: the download failed: {error!r}"
        finally:
            connection.close()
        self._tally.record("download", response.status, time.monotonic() - start)
        expected = hashlib.sha256(reference.bundle(self._uid, files)).digest()
        return "" if actual == expected else f"{self._uid}: the bundle does not match its manifest"

    def _request(self, method: str, body: bytes | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
        start = time.monotonic()
        try:
            self._connection.request(method, f"/{self._uid}", body)
            response = self._connection.getresponse()
            status, headers, content = response.status, response.headers, response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            status, headers, content = 0, http.client.HTTPMessage(), b""
        self._tally.record(method, status, time.monotonic() - start)
        return status, headers, content
