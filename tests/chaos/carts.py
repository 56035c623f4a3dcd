"""What the clients of a round want, and clients that get it whatever fails: they ask again until they are answered."""

from __future__ import annotations

import http.client
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.chaos import reference
from tests.chaos.reference import File
from tests.chaos.steps import POISON

TIMEOUT = 40.0
MIB = 1 << 20
BROKEN = (OSError, http.client.HTTPException)


@dataclass
class Wish:
    """A cart as its client wants it. `ends`: the states it may end in; `gone` says that it was deleted."""

    uid: str
    files: Sequence[File]
    ends: tuple[str, ...] = ("ready",)
    wrong: frozenset[str] = frozenset()  # ids named with a hash they do not have
    hashed: bool = True
    posts: int = 1
    then: Sequence[File] = ()  # what replaces it
    deleted: bool = False
    after: float = 0.0  # seconds until it is replaced or deleted
    failure: str = ""  # what the client could not do at all
    answered: list[int] = field(default_factory=list)

    @property
    def last(self) -> Sequence[File]:
        return self.then or self.files

    def body(self, files: Sequence[File]) -> bytes:
        return json.dumps({"fileids": [self._entry(file) for file in files]}).encode()

    def _entry(self, file: File) -> dict[str, str]:
        digest = reference.sha1(file.archive_id) if self.hashed else ""
        if file.archive_id in self.wrong:
            digest = "0" * 40
        return {"id": file.archive_id, "path": file.path, "hashtype": "sha1", "hashsum": digest}


class Client:
    def __init__(self, url: str, patience: float) -> None:
        self._netloc = urlsplit(url).netloc
        self._patience = patience

    def live(self, wish: Wish) -> None:
        """Post, post again, replace, delete: what this client does before it waits."""
        for _ in range(wish.posts):
            self._insist(wish, "POST", wish.body(wish.files), (201,))
        if wish.then or wish.deleted:
            time.sleep(wish.after)
        if wish.then:
            self._insist(wish, "POST", wish.body(wish.then), (201,))
        if wish.deleted:
            self._insist(wish, "DELETE", None, (200, 404))

    def delete(self, uid: str) -> int:
        return self.ask("DELETE", uid)[0]

    def ask(self, method: str, uid: str, body: bytes | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(self._netloc, timeout=TIMEOUT)
        try:
            connection.request(method, f"/{uid}", body, {"Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def _insist(self, wish: Wish, method: str, body: bytes | None, wanted: tuple[int, ...]) -> None:
        deadline = time.monotonic() + self._patience
        said = "nothing"
        while time.monotonic() < deadline:
            try:
                status, _, answer = self.ask(method, wish.uid, body)
            except BROKEN as error:
                said = repr(error)
            else:
                said = f"{status} {answer[:200]!r}"
                wish.answered.append(status)
                if status in wanted:
                    return
                if status < 500:
                    break
            time.sleep(0.2)
        wish.failure = f"{method} was answered {said}"


def plan(rng: random.Random, label: str) -> list[Wish]:
    """The carts of a round: one of each kind that matters, and a few more."""
    shared = _small(rng, f"{label}-shared", rng.randint(1, 8))
    wishes = [
        Wish(f"{label}-small", _small(rng, label, rng.randint(1, 40)), posts=rng.randint(1, 3)),
        Wish(f"{label}-shared", [*shared, *_small(rng, f"{label}-b", 3)]),
        Wish(f"{label}-parts", _large(rng, label), hashed=rng.random() < 0.8),
        Wish(f"{label}-gone", _small(rng, f"{label}-g", 20), deleted=True, after=rng.uniform(0, 2), ends=("gone",)),
        Wish(f"{label}-new", _small(rng, f"{label}-o", 20), then=[*shared, *_small(rng, f"{label}-n", 4)]),
    ]
    wishes[-1].after = rng.uniform(0, 2)
    if rng.random() < 0.5:
        wishes.append(Wish(f"{label}-gone2", _large(rng, f"{label}-l"), deleted=True, after=1, ends=("gone",)))
    if rng.random() < 0.5:
        files = _small(rng, f"{label}-w", 5)
        wishes.append(Wish(f"{label}-wrong", files, ends=("error",), wrong=frozenset([files[2].archive_id])))
    if rng.random() < 0.3:
        missing = [*_small(rng, f"{label}-m", 3), File(f"missing-{label}", "m")]
        wishes.append(Wish(f"{label}-missing", missing, ends=("error",), hashed=False))
    return wishes


def poison(rng: random.Random, label: str) -> Wish:
    return Wish(f"{label}-poison", [File(f"gen-100-{POISON}-{label}", "p")], ends=("error",))


def _small(rng: random.Random, label: str, count: int) -> list[File]:
    folders = ["", "d/", "d/e/", "données/", f"{'x' * 90}/{'y' * 60}/"]
    sizes = [0, 1, 511, 512, 513, 10_000, 65_536]
    ids = [f"gen-{rng.choice(sizes)}-{label}-{number}" for number in range(count)]
    return [File(one, f"{rng.choice(folders)}f{number}-{label}") for number, one in enumerate(ids)]


def _large(rng: random.Random, label: str) -> list[File]:
    """Of several windows and parts."""
    sizes = [rng.randint(2 * MIB, 5 * MIB) for _ in range(rng.randint(3, 4))]
    return [File(f"gen-{size}-{label}-p{number}", f"big/{number}") for number, size in enumerate(sizes)]
