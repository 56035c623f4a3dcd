"""A value built at its first use, once, even if several threads use it first. Pure."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class lazy(Generic[T]):
    """Like functools.cache, but under a lock: with cache alone, threads that start together each build a value."""

    def __init__(self, build: Callable[[], T]) -> None:
        self._build = functools.cache(build)
        self._lock = threading.Lock()
        self.cache_clear = self._build.cache_clear

    def __call__(self) -> T:
        with self._lock:
            return self._build()
