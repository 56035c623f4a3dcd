"""One client in a closed loop: posts a cart, polls it, downloads it, deletes it, and begins again."""

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
POLL = (0.8, 1.2)  # of the time that Retry-After says
SIZES = (0, 100, 4096, 20_000, 60_000)
#: Ids come again, so that staged files are shared, evicted and pulled anew.
IDS = 4000


@dataclass
class Tally:
    """What all clients saw. `seconds` by kind of request; `lost` says which carts came to nothing."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    carts: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, status: int, seconds: float) -> None:
        with self.lock:
            self.seconds.setdefault(kind, []).append(seconds)
            self.statuses[f"{kind} {status}"] += 1

    def done(self, seconds: float, problem: str) -> None:
        with self.lock:
            self.carts += 1
            self.seconds.setdefault("cart, POST to ready", []).append(seconds)
            if problem:
                self.lost.append(problem)

    def failures(self) -> dict[str, int]:
        """Answers of 500 and above, and connections that broke; HEAD 500 is what a cart in error is answered."""
        return {what: count for what, count in self.statuses.items() if what.split()[-1] >= "500" or " 0" in what}


class LoadClient(threading.Thread):
    def __init__(self, number: int, seed: int, url: str, until: float, patience: float, tally: Tally) -> None:
        super().__init__(name=f"client-{number}", daemon=True)
        self._rng = random.Random(f"{seed} {number}")
        self._uid = f"load-{number}"
        self._netloc = urlsplit(url).netloc
        self._until = until
        self._patience = patience
        self._tally = tally
        self._connection = http.client.HTTPConnection(self._netloc, timeout=TIMEOUT)

    def run(self) -> None:
        time.sleep(self._rng.uniform(0, 3))
        while time.monotonic() < self._until:
            files = self._files()
            began = time.monotonic()
            self._ask("POST", self._manifest(files))
            state = self._wait(began)
            problem = "" if state == "ready" else f"{self._uid}: {state}"
            self._tally.done(time.monotonic() - began, problem or self._download(files))
            self._ask("DELETE")

    def _files(self) -> list[File]:
        chosen = self._rng.sample(range(IDS), self._rng.randint(1, 20))
        return [File(f"gen-{SIZES[number % len(SIZES)]}-load-{number}", f"d/{number}") for number in chosen]

    def _manifest(self, files: list[File]) -> bytes:
        entries = [{"id": file.archive_id, "path": file.path} for file in files]
        return json.dumps({"fileids": entries}).encode()

    def _wait(self, began: float) -> str:
        while time.monotonic() < began + self._patience:
            _, headers, _ = self._ask("HEAD")
            state = headers.get("X-Pacifica-Status", "")
            if state not in ("waiting", "staging", "bundling", "unavailable", ""):
                return state
            time.sleep(float(headers.get("Retry-After", 1)) * self._rng.uniform(*POLL))
        return f"not ready after {self._patience:.0f} s"

    def _download(self, files: list[File]) -> str:
        status, headers, _ = self._ask("GET")
        if status != 302:
            return f"{self._uid}: GET was answered {status}"
        began, parts = time.monotonic(), urlsplit(headers["Location"])
        connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
        try:
            connection.request("GET", f"{parts.path}?{parts.query}")
            answer = connection.getresponse()
            got = hashlib.sha256(answer.read()).digest()
        except (OSError, http.client.HTTPException) as error:
            return f"{self._uid}: the download broke: {error!r}"
        finally:
            connection.close()
        self._tally.note("download", answer.status, time.monotonic() - began)
        right = hashlib.sha256(reference.bundle(self._uid, files)).digest()
        return "" if got == right else f"{self._uid}: the bundle is not the one its manifest says"

    def _ask(self, method: str, body: bytes | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
        began = time.monotonic()
        try:
            self._connection.request(method, f"/{self._uid}", body)
            answer = self._connection.getresponse()
            status, headers, said = answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            status, headers, said = 0, http.client.HTTPMessage(), b""
        self._tally.note(method, status, time.monotonic() - began)
        return status, headers, said
