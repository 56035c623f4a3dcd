"""A request to the archive, and its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

LARGEST_ERROR_BODY = 4096  # bytes kept of a body that was not asked for, for the log
OK = 200
#: 4xx that mean "later", not "no".
LATER = (408, 425, 429)
Method = Literal["HEAD", "GET", "POST"]


@dataclass(frozen=True, slots=True)
class Request:
    """`target`: path and query, quoted. `limit`: bytes kept of a 200's body; the rest is not read.

    `take` receives a 200's body instead, block by block, each valid only during the call. If it raises, the request
    ends. `fresh`: on a connection of its own, on which no answer to another request can come. `headers`: more of them.
    """

    method: Method
    target: str
    limit: int = LARGEST_ERROR_BODY
    take: Callable[[memoryview], None] | None = None
    fresh: bool = False
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers`: by lower-case name. `body`: as much of it as was kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class EnoughReceived(Exception):
    """As much of the body has arrived as is needed."""


def is_refusal(status: int) -> bool:
    """Whether asking again is of no use."""
    return 300 <= status < 500 and status not in LATER
