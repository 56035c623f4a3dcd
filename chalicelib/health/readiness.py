"""Whether what the service needs answers: each dependency is asked in a thread of its own, within a time.

Anybody may ask, so the answer is kept for a moment, and says no more than which dependency it is; why is in the log.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalicelib.errors import CartError
from chalicelib.metrics.cached import Cached

log = logging.getLogger(__name__)

#: Raises an error if the dependency does not do its work.
Check = Callable[[], object]


@dataclass(frozen=True, slots=True)
class ReadinessPolicy:
    """Seconds in which a dependency must answer, and for which answers are kept."""

    within: float = 2.0
    kept: float = 2.0


@dataclass(frozen=True, slots=True)
class Answered:
    """`milliseconds`: until it answered; None if it has not. `wrong`: what is wrong, void if nothing is."""

    milliseconds: float | None
    wrong: str = ""


class Readiness:
    """Call it for the answers by dependency. Thread-safe."""

    def __init__(self, checks: Mapping[str, Check], policy: ReadinessPolicy = ReadinessPolicy()) -> None:
        self._policy = policy
        self._askers = {name: _Asker(name, check, policy.within) for name, check in checks.items()}
        self._cached = Cached(self._ask, policy.kept)

    def __call__(self) -> Mapping[str, Answered]:
        return self._cached()

    def _ask(self) -> Mapping[str, Answered]:
        until = time.monotonic() + self._policy.within
        asked = {name: asker.ask() for name, asker in self._askers.items()}
        return {name: self._askers[name].answer(asking, until) for name, asking in asked.items()}


@dataclass(slots=True)
class _Asking:
    done: threading.Event
    answered: Answered | None = None


class _Asker:
    """Asks one dependency. A question that hangs is not asked twice: its threads would pile up."""

    def __init__(self, name: str, check: Check, within: float) -> None:
        self._name = name
        self._check = check
        self._within = within
        self._asking: _Asking | None = None

    def ask(self) -> _Asking:
        if self._asking is None or self._asking.done.is_set():
            self._asking = _Asking(threading.Event())
            threading.Thread(target=self._run, args=(self._asking,), name=f"ready-{self._name}", daemon=True).start()
        return self._asking

    def answer(self, asking: _Asking, until: float) -> Answered:
        if not asking.done.wait(max(0.0, until - time.monotonic())) or asking.answered is None:
            log.warning("the %s did not answer within %g s", self._name, self._within)
            return Answered(None, f"The {self._name} did not answer within {self._within:g} seconds.")
        return asking.answered

    def _run(self, asking: _Asking) -> None:
        began, wrong = time.monotonic(), ""
        try:
            self._check()
        except Exception as error:  # any error: without an answer, each later question would wait for this one
            log.warning("the %s is not ready: %s", self._name, error, exc_info=not isinstance(error, CartError))
            wrong = f"The {self._name} failed; the log says why."
        asking.answered = Answered((time.monotonic() - began) * 1000, wrong)
        asking.done.set()
