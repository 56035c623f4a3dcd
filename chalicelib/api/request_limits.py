"""What requests may take: time, bytes, and the bytes of all bodies held at once. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Sizes in bytes, times in seconds. `held`, `held_answers`: of all bodies and answers that a process holds at once.

    A body has `grace` to arrive, and a second more for each `rate` bytes that have: a client that stops is out after
    `grace`, one that drips gains nothing. The same holds for reading an answer. The first `free` bytes of each do not
    count against what may be held, so that large ones do not keep small ones out.

    Blocks of less than `least_block` on average are refused after `blocks`: each costs the event loop as much as a
    large one. A refused body is read on until it pauses for `pause`.
    """

    max_body: int
    held: int
    held_answers: int = 128 << 20
    grace: float = 20.0
    rate: int = 64 << 10
    free: int = 64 << 10
    blocks: int = 10_000
    least_block: int = 16
    pause: float = 1.0


class ByteBudget:
    """The bytes that a process may hold of bodies, or of answers; only its event loop calls this."""

    def __init__(self, held: int) -> None:
        self._left = held

    def take(self, size: int) -> bool:
        """Whether so many bytes more fit."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        self._left += size
