"""What is made at its first use, once, however many threads come for it at the same time. Pure."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class once(Generic[T]):
    """As functools.cache, which lets every thread that comes before the first is done make one of its own."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = functools.cache(make)
        self._lock = threading.Lock()
        self.cache_clear = self._make.cache_clear

    def __call__(self) -> T:
        with self._lock:
            return self._make()
