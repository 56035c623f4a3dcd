"""Asks a policy about the files of a cart, and names those that it refuses by their places in the manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chalicelib.db.database import chunks
from chalicelib.errors import PolicyUnavailable
from chalicelib.policy.policy import BATCH, Policy, Reader

NAMED = 5  # places that a message names
IN_REQUEST = 5000  # files of the largest cart that is asked about within a request
TIME = 12.0  # seconds in which the last question of a request must begin: API Gateway gives up after 29

Place = tuple[int, str]


@dataclass(slots=True)
class Refusal:
    """Which places of a manifest are refused; the reasons are the policy's own."""

    named: list[int] = field(default_factory=list)
    count: int = 0

    def add(self, position: int) -> None:
        self.count += 1
        if len(self.named) < NAMED:
            self.named.append(position)

    def message(self, who: str, asked: str = "") -> str:
        """`asked`: how much of the manifest was asked about, if it was not all."""
        places = ", ".join(f"fileids[{position}]" for position in self.named)
        more = f" (and {self.count - len(self.named)} more)" if self.count > len(self.named) else ""
        return f"{who} may not read {places}{more}{asked}."


def ask(policy: Policy, reader: Reader, places: Sequence[Place], check: Callable[[], None]) -> Refusal:
    """Ask about each file once. `check` is called before each question. Raises PolicyUnavailable."""
    refused: set[str] = set()
    for batch in chunks(dict.fromkeys(archive_id for _, archive_id in places), BATCH):
        check()
        refused.update(policy.refused(reader, batch))
    refusal = Refusal()
    for position, archive_id in places:
        if archive_id in refused:
            refusal.add(position)
    return refusal


def deadline(clock: Callable[[], float] = time.monotonic) -> Callable[[], None]:
    """A `check` for a request, whose client waits: raises PolicyUnavailable when its time is over."""
    until = clock() + TIME

    def check() -> None:
        if clock() > until:
            raise PolicyUnavailable

    return check
