"""Work that may hang, with a time limit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Generic, NoReturn, TypeVar

T = TypeVar("T")


class InTime(Generic[T]):
    """Call it for what `work` returns or raises, or for None after so many seconds. Not thread-safe.

    The work has a thread of its own. While it hangs it is not begun again: its threads would pile up.
    """

    def __init__(self, work: Callable[[], T], seconds: float, thread: str) -> None:
        """`thread`: the name of the work's thread."""
        self._work = work
        self._seconds = seconds
        self._name = thread
        self._thread: threading.Thread | None = None
        self._done: list[Callable[[], T]] = []

    def __call__(self) -> T | None:
        if self._thread is None or not self._thread.is_alive():
            self._done = []
            self._thread = threading.Thread(target=self._run, args=(self._done,), name=self._name, daemon=True)
            self._thread.start()
        self._thread.join(self._seconds)
        return self._done[0]() if self._done else None

    def _run(self, done: list[Callable[[], T]]) -> None:
        try:
            result = self._work()
        except Exception as error:
            done.append(partial(_raise, error))
        else:
            done.append(lambda: result)


def _raise(error: Exception) -> NoReturn:
    raise error
