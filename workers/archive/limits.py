"""How long the archive may take for an answer, and when it is too slow.

An answer that comes is not enough: a server that sends a byte a second, or one interim answer after another, is never
silent. So the head of an answer has a deadline, and its body a least average speed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Times are in seconds. `read_timeout`: the longest wait for the next bytes, and for the head of an answer in all.

    `min_rate`: the least average speed of a body, in bytes a second, once it has taken longer than `read_timeout`;
    0 for none.
    """

    connect_timeout: float
    read_timeout: float
    min_rate: int = 0

    def time_for(self, received: int | None) -> float:
        """The time for the head of an answer (None), or for a body of which `received` bytes have come."""
        if received is None:
            return self.read_timeout
        return self.read_timeout + received / self.min_rate if self.min_rate else math.inf


class Waiting:
    """The seconds that a loop has waited for the archive. While it is busy with what has come, nobody is slow.

    `received` counts heads of good answers, and blocks of the bodies that were asked for.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.received = 0
