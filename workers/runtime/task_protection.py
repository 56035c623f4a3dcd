"""Asks Amazon ECS not to stop this task while it has work: scaling in takes an idle worker instead.

A worker that always has work would hold up a deployment for ever. So it lets its protection lapse now and then: one
that is stopped loses seconds. Nothing here ever fails a job.
"""

from __future__ import annotations

import http.client
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

PATH = "/task-protection/v1/state"
TIMEOUT = 5.0  # seconds

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProtectionPolicy:
    """Times are in seconds, but `expires`, which is in minutes: how long ECS remembers a request."""

    every: float = 2.0
    renew: float = 120.0
    expires: int = 5
    #: the longest protection, and then how long a busy worker goes without
    longest: float = 1800.0
    rest: float = 600.0


class TaskProtection:
    def __init__(
        self,
        agent: str,
        is_busy: Callable[[], bool],
        policy: ProtectionPolicy = ProtectionPolicy(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`agent`: the URL in ECS_AGENT_URI; empty outside of ECS, where nothing is asked."""
        self._agent = agent
        self._is_busy = is_busy
        self._policy = policy
        self._clock = clock
        self._stopped = threading.Event()
        self._since: float | None = None  # since when it is protected
        self._asked_at = 0.0
        self._rests_until: float | None = None
        self._failed = False

    def start(self) -> None:
        if self._agent:
            threading.Thread(target=self._run, name="task-protection", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def look(self) -> None:
        """Ask for protection, renew it or give it back, if that is due."""
        now, policy = self._clock(), self._policy
        if not self._is_busy():
            self._rests_until = None
            self._give_back()
        elif self._rests_until is not None and now < self._rests_until:
            return
        elif self._since is not None and now - self._since >= policy.longest:
            self._rests_until = now + policy.rest
            self._give_back()
        elif self._since is None or now - self._asked_at >= policy.renew:
            self._since = now if self._since is None else self._since
            self._ask({"ProtectionEnabled": True, "ExpiresInMinutes": policy.expires})

    def _run(self) -> None:
        while not self._stopped.wait(self._policy.every):
            self.look()

    def _give_back(self) -> None:
        if self._since is not None:
            self._since = None
            self._ask({"ProtectionEnabled": False})

    def _ask(self, state: dict[str, object]) -> None:
        """What is not answered is asked again when it is to be renewed, and lapses otherwise."""
        self._asked_at = self._clock()
        try:
            problem = _put(self._agent, json.dumps(state))
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = f"{type(error).__name__}: {error}"
        if problem and not self._failed:  # once: it would be the same every time
            log.warning("ECS does not protect this task while it works: %.300s", problem)
        self._failed = bool(problem)


def _put(agent: str, body: str) -> str:
    """The agent's complaint; empty if it has none."""
    address = urlsplit(agent)
    connection = http.client.HTTPConnection(address.netloc, timeout=TIMEOUT)
    try:
        connection.request("PUT", address.path.rstrip("/") + PATH, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read(4096).decode("utf-8", "replace")
    finally:
        connection.close()
    accepted = answer.status == http.client.OK and "protection" in json.loads(content)
    return "" if accepted else f"{answer.status} {content}"
