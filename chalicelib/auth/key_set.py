"""An issuer's keys, kept and fetched again: by age, and when a token names a key that is not known.

A fetch runs in a thread of its own, one at a time, and a request waits for it `patience` at most: an issuer that hangs
holds no request longer, and none at all until `pause` after it has failed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.auth.verification_key import VerificationKey
from chalicelib.errors import LoginUnavailable

Fetch = Callable[[], Sequence[VerificationKey]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """Seconds. `fresh`: how long keys are used without asking; `stale`: while the issuer does not answer.

    `pause`: between two fetches that an unknown key or a failure asks for. `patience`: how long requests wait for one,
    counted from its beginning.
    """

    fresh: float = 600.0
    stale: float = 3600.0
    pause: float = 10.0
    patience: float = 2.0


KEY_POLICY = KeyPolicy()


class CachedKeys:
    def __init__(self, name: str, fetch: Fetch, clock: Callable[[], float], policy: KeyPolicy) -> None:
        """`name`: of the issuer, for the log. `fetch`: raises an exception if it fails."""
        self._name = name
        self._fetch = fetch
        self._clock = clock
        self._policy = policy
        self._lock = threading.Lock()
        self._running: threading.Event | None = None
        self._began = self._tried = self._fetched = float("-inf")
        self._keys: Sequence[VerificationKey] = ()
        self._failed = False

    def find(self, key_id: str | None, algorithm: str) -> list[VerificationKey]:
        """The keys that may verify a token, maybe none. Raises LoginUnavailable if that is not known."""
        if self._age() > self._policy.fresh:
            self._refresh()
        if self._age() > self._policy.stale:
            raise LoginUnavailable
        found = self._matching(key_id, algorithm)
        if found:
            return found
        self._refresh()
        found = self._matching(key_id, algorithm)
        if not found and (self._failed or self._running is not None):
            raise LoginUnavailable
        return found

    def _matching(self, key_id: str | None, algorithm: str) -> list[VerificationKey]:
        """By its id; a token that names no key may be of any."""
        return [key for key in self._keys if algorithm in key.by_algorithm and key_id in (None, key.key_id)]

    def _age(self) -> float:
        return self._clock() - self._fetched

    def _refresh(self) -> None:
        """Fetch the keys, or wait for who does it, unless that was tried a moment ago."""
        with self._lock:
            if self._running is None:
                if self._clock() - self._tried < self._policy.pause:
                    return
                self._running, self._began = threading.Event(), self._clock()
                threading.Thread(target=self._run, args=(self._running,), name="keys", daemon=True).start()
            running, left = self._running, self._began + self._policy.patience - self._clock()
        running.wait(max(0.0, left))

    def _run(self, over: threading.Event) -> None:
        keys: Sequence[VerificationKey] | None = None
        began = self._clock()
        try:
            keys = self._fetch()
        except Exception as error:  # whatever an issuer sends, it must not end the fetches
            log.warning("the keys of %s cannot be fetched: %s", self._name, error)
        finally:
            with self._lock:
                if keys is not None:
                    self._keys, self._fetched = keys, began
                self._failed, self._tried, self._running = keys is None, self._clock(), None
            over.set()
