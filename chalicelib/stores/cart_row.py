"""One row of carts, as the stores read it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CartState(StrEnum):
    WAITING = "waiting"
    STAGING = "staging"
    BUNDLING = "bundling"
    READY = "ready"
    ERROR = "error"
    EXPIRED = "expired"  # never on the wire: clients get 404


UNFINISHED = (CartState.WAITING, CartState.STAGING, CartState.BUNDLING)


@dataclass(frozen=True, slots=True)
class Cart:
    """One row of carts. Times are seconds since the epoch, sizes are bytes."""

    id: int
    owner: str
    uid: str
    live: int | None
    state: str
    message: str
    root: str
    digest: str
    uploaded: int
    names: str
    sums: str
    attempt: int
    upload_id: str
    part_size: int
    files_total: int
    files_staged: int
    bytes_total: int
    bytes_staged: int
    windows_total: int
    windows_staged: int
    windows_done: int
    bundle_size: int
    bundle_bytes: int
    bundle_etag: str
    bundle_checksum: str
    created_at: float
    staging_at: float | None
    bundling_at: float | None
    ended_at: float | None
    used_at: float
    url_until: float
    cleared_at: float | None
    earlier_at: float | None = None
    earlier_bytes: int = 0
    later_bytes: int = 0
    later_at: float | None = None
    counted_at: float | None = None
    #: the id of the request that posted it
    request: str = ""

    @property
    def ended_badly(self) -> bool:
        """Whether posting the same manifest again starts over."""
        return self.state in (CartState.ERROR, CartState.EXPIRED)
