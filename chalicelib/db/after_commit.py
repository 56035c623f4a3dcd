"""What is to be done once a transaction has committed, such as logging it. Per thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class AfterCommit(threading.local):
    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []

    def add(self, call: Callable[[], None]) -> None:
        self._calls.append(call)

    def begin(self, *, nested: bool) -> int:
        """A transaction begins; returns a mark for `forget`."""
        if not nested:
            self._calls.clear()  # of a transaction that has failed
        return len(self._calls)

    def forget(self, mark: int) -> None:
        """What was added since the mark is not to be done: its transaction is repeated."""
        del self._calls[mark:]

    def run(self) -> None:
        """The outermost transaction has committed. Nothing that fails here may look as if that had failed."""
        calls, self._calls = self._calls, []
        for call in calls:
            try:
                call()
            except Exception as error:
                log.warning("after a commit: %s", error)
