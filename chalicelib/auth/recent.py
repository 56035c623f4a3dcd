"""A bounded memory of what was checked lately, for several threads. Pure."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")

MOST = 4096  # values


class Recent(Generic[V]):
    """Forgets the oldest when it is full. Keys are hashes of tokens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: OrderedDict[str, V] = OrderedDict()

    def get(self, key: str) -> V | None:
        with self._lock:
            return self._values.get(key)

    def put(self, key: str, value: V) -> None:
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > MOST:
                self._values.popitem(last=False)
