"""What a request shows of its sender. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Credentials:
    """`authorization`: the header as it was sent, None without one. `identity`: what API Gateway found out.

    `address`: where the request comes from.
    """

    authorization: str | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    address: str = ""
