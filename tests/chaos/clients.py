"""The clients of a round: what each posts, replaces and deletes, and an HTTP client that retries until it succeeds."""

from __future__ import annotations

import http.client
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.chaos import reference
from tests.chaos.reference import File
from tests.chaos.steps import POISON

TIMEOUT = 40.0
MIB = 1 << 20
CONNECTION_ERRORS = (OSError, http.client.HTTPException)


@dataclass
class Scenario:
    """What one client does with one cart, and how that cart may end."""

    uid: str
    files: Sequence[File]
    #: States the cart may end in; `gone` means deleted.
    expected: tuple[str, ...] = ("ready",)
    #: Archive ids posted with a wrong hash.
    wrong_hashes: frozenset[str] = frozenset()
    hashed: bool = True
    #: Whether the manifest is uploaded to the store instead of posted.
    uploaded: bool = False
    #: The hash of the checksum file that closes the bundle; empty for none.
    sums: str = ""
    #: Number of times the same manifest is posted.
    posts: int = 1
    #: Files of the manifest that replaces the first one; empty: it is not replaced.
    replacement: Sequence[File] = ()
    deleted: bool = False
    #: Seconds between the last POST and the replacement or the DELETE.
    delay: float = 0.0
    #: A request that never succeeded; set by the client.
    failure: str = ""

    @property
    def final_files(self) -> Sequence[File]:
        return self.replacement or self.files

    def body(self, files: Sequence[File]) -> bytes:
        options = {"sums": self.sums} if self.sums else {}
        return json.dumps({**options, "fileids": [self._entry(file) for file in files]}).encode()

    def _entry(self, file: File) -> dict[str, str]:
        digest = reference.sha1(file.archive_id) if self.hashed else ""
        if file.archive_id in self.wrong_hashes:
            digest = "0" * 40
        return {"id": file.archive_id, "path": file.path, "hashtype": "sha1", "hashsum": digest}


class Client:
    def __init__(self, url: str, retry_for: float) -> None:
        """`retry_for`: seconds for which a failing request is retried."""
        self._netloc = urlsplit(url).netloc
        self._retry_for = retry_for

    def run(self, scenario: Scenario) -> None:
        """Send the scenario's POSTs and DELETE; does not wait for the cart."""
        for _ in range(scenario.posts):
            self._post(scenario, scenario.files)
        if scenario.replacement or scenario.deleted:
            time.sleep(scenario.delay)
        if scenario.replacement:
            self._post(scenario, scenario.replacement)
        if scenario.deleted:
            self._retry(scenario, "DELETE", None, (200, 404))

    def delete(self, uid: str) -> int:
        return self.request("DELETE", uid)[0]

    def request(self, method: str, uid: str, body: bytes | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(self._netloc, timeout=TIMEOUT)
        try:
            connection.request(method, f"/{uid}", body, {"Connection": "close"})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def _post(self, scenario: Scenario, files: Sequence[File]) -> None:
        body = scenario.body(files)
        self._retry(scenario, "POST", self._upload(scenario.uid, body) if scenario.uploaded else body, (201,))

    def _upload(self, uid: str, manifest: bytes) -> bytes:
        """Upload a manifest, under a new URL after each error; the body of the POST that makes a cart of it."""
        deadline = time.monotonic() + self._retry_for
        while time.monotonic() < deadline:
            try:
                status, _, content = self.request("POST", f"{uid}/manifest")
                slot = json.loads(content) if status == 200 else {}
                if slot and _put(slot["url"], manifest) == 200:
                    return json.dumps({"manifest": "uploaded", "upload": slot["upload"]}).encode()
            except CONNECTION_ERRORS:
                pass
            time.sleep(0.2)
        return b"the manifest could not be uploaded"

    def _retry(self, scenario: Scenario, method: str, body: bytes | None, accepted: tuple[int, ...]) -> None:
        """Retry connection errors and 5xx until the status is an accepted one; else set `scenario.failure`."""
        deadline = time.monotonic() + self._retry_for
        result = "no response"
        while time.monotonic() < deadline:
            try:
                status, _, content = self.request(method, scenario.uid, body)
            except CONNECTION_ERRORS as error:
                result = repr(error)
            else:
                result = f"{status} {content[:200]!r}"
                if status in accepted:
                    return
                if status < 500:
                    break
            time.sleep(0.2)
        scenario.failure = f"{method} got {result}"


def _put(url: str, body: bytes) -> int:
    """The status of a PUT."""
    split = urlsplit(url)
    connection = http.client.HTTPConnection(split.netloc, timeout=TIMEOUT)
    try:
        connection.request("PUT", f"{split.path}?{split.query}", body)
        return connection.getresponse().status
    finally:
        connection.close()


def round_scenarios(rng: random.Random, label: str) -> list[Scenario]:
    """The scenarios of a round: one of each kind that matters, and a few more at random."""
    shared = _small_files(rng, f"{label}-shared", rng.randint(1, 8))
    scenarios = [
        Scenario(f"{label}-small", _small_files(rng, label, rng.randint(1, 40)), posts=rng.randint(1, 3)),
        Scenario(f"{label}-shared", [*shared, *_small_files(rng, f"{label}-b", 3)]),
        Scenario(f"{label}-parts", _large_files(rng, label), hashed=rng.random() < 0.8),
        Scenario(f"{label}-up", _small_files(rng, f"{label}-u", 15), uploaded=True, posts=rng.randint(1, 2)),
        Scenario(f"{label}-sums", _large_files(rng, f"{label}-s"), hashed=rng.random() < 0.8, sums="sha256"),
        Scenario(f"{label}-sums1", _small_files(rng, f"{label}-t", rng.randint(1, 20)), sums="sha256"),
        _deleted(f"{label}-gone", _small_files(rng, f"{label}-g", 20), rng.uniform(0, 2)),
        Scenario(
            f"{label}-new",
            _small_files(rng, f"{label}-o", 20),
            replacement=[*shared, *_small_files(rng, f"{label}-n", 4)],
        ),
    ]
    scenarios[-1].delay = rng.uniform(0, 2)
    if rng.random() < 0.5:
        scenarios.append(_deleted(f"{label}-gone2", _large_files(rng, f"{label}-l"), 1.0))
    if rng.random() < 0.5:
        files = _small_files(rng, f"{label}-w", 5)
        wrong = frozenset([files[2].archive_id])
        scenarios.append(Scenario(f"{label}-wrong", files, expected=("error",), wrong_hashes=wrong))
    if rng.random() < 0.3:
        missing = [*_small_files(rng, f"{label}-m", 3), File(f"missing-{label}", "m")]
        scenarios.append(Scenario(f"{label}-missing", missing, expected=("error",), hashed=False))
    return scenarios


def poison_scenario(label: str) -> Scenario:
    return Scenario(f"{label}-poison", [File(f"gen-100-{POISON}-{label}", "p")], expected=("error",))


def _deleted(uid: str, files: Sequence[File], delay: float) -> Scenario:
    return Scenario(uid, files, deleted=True, delay=delay, expected=("gone",))


def _small_files(rng: random.Random, label: str, count: int) -> list[File]:
    folders = ["", "d/", "d/e/", "données/", f"{'x' * 90}/{'y' * 60}/"]
    sizes = [0, 1, 511, 512, 513, 10_000, 65_536]
    ids = [f"gen-{rng.choice(sizes)}-{label}-{number}" for number in range(count)]
    return [File(archive_id, f"{rng.choice(folders)}f{number}-{label}") for number, archive_id in enumerate(ids)]


def _large_files(rng: random.Random, label: str) -> list[File]:
    """Enough bytes for several windows and parts."""
    sizes = [rng.randint(2 * MIB, 5 * MIB) for _ in range(rng.randint(3, 4))]
    return [File(f"gen-{size}-{label}-p{number}", f"big/{number}") for number, size in enumerate(sizes)]
