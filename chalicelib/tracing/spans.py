"""What a trace consists of. Its ids follow from the cart's row, so that no process has to tell another. Pure."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Value = str | int | float
Attributes = Mapping[str, Value]


class Role(StrEnum):
    ROOT = "root"
    REQUEST = "request"
    ATTEMPT = "attempt"


@dataclass(frozen=True, slots=True)
class TracedCart:
    """What its jobs know of it, too. `request`: the id of the request that posted it, which differs between sites."""

    id: int
    uid: str
    request: str

    @property
    def trace_id(self) -> int:
        """16 bytes, never 0."""
        return int.from_bytes(self._digest("trace")[:16]) or 1

    @property
    def root_id(self) -> int:
        """8 bytes, never 0."""
        return int.from_bytes(self._digest("root")[:8]) or 1

    def _digest(self, of: str) -> bytes:
        return hashlib.sha256("\0".join((of, str(self.id), self.uid, self.request)).encode()).digest()


def new_id() -> int:
    """Of a span below the root: 8 bytes, never 0."""
    return secrets.randbits(64) or 1


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a cart's trace that is over. Times are seconds since the epoch. `failed`: why, void if it has not."""

    cart: TracedCart
    role: Role
    name: str
    start: float
    end: float
    attributes: Attributes = field(default_factory=dict)
    failed: str = ""
    id: int = field(default_factory=new_id)

    @property
    def parent(self) -> int | None:
        return None if self.role == Role.ROOT else self.cart.root_id
