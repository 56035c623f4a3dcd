"""Tables as dicts, a clock that tests set, and transactions that undo what they wrote when they raise."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from chalicelib.stores.audit_chain import AuditRow
from chalicelib.stores.cart_row import Cart
from chalicelib.stores.entries import CartEntry
from chalicelib.stores.uploads import Upload
from workers.stores.staged_files import StagedFile
from workers.stores.windows import Window

T = TypeVar("T")


@dataclass(frozen=True)
class JobRow:
    id: int
    cart_id: int
    kind: str
    window: int
    progress_at: float
    next_send_at: float
    lease_until: float = 0.0
    attempts: int = 0
    token: int = 0
    last_error: str = ""
    wait_reason: str = ""
    waits_since: float | None = None
    waits_for: str = ""
    has_message: bool = True
    due_at: float = 0.0
    line: str = ""
    small: int = 0
    request: str = ""
    uid: str = ""
    owner: str = ""

    def is_due(self, now: float) -> bool:
        return self.has_message and max(self.due_at, self.lease_until) <= now


@dataclass(frozen=True)
class UploadRow:
    upload: Upload
    owner: str
    uid: str
    created_at: float
    url_until: float


@dataclass(frozen=True)
class WindowRow:
    window: Window
    checksum: str = ""
    waits_since: float | None = None
    counted_map: str | None = None
    sums: str | None = None
    sums_length: int = 0
    waits_for: int | None = None
    passed_bytes: int = 0


@dataclass(frozen=True)
class StagedFileRow:
    """`file.puller` is the recorded one, whether or not that job still holds its lease."""

    file: StagedFile
    used_at: float = 0.0


@dataclass(frozen=True)
class RecallRow:
    job_id: int
    claimed_until: float
    requested_at: float | None = None
    owner: str = ""
    next_look_at: float | None = 0.0
    looks: int = 0
    claimed_at: float = 0.0
    size: int | None = None
    mtime_ns: int | None = None
    failing_s: float = 0.0
    failing_at: float | None = None
    failing_reason: str = ""


@dataclass(frozen=True)
class VolumeRow:
    used: int = 0
    staged: int = 0
    removed: int = 0
    reconciled_to: int = 0


@dataclass
class Tables:
    """Rows are never changed in place, so a shallow copy of a table is a snapshot."""

    carts: dict[int, Cart] = field(default_factory=dict)
    owners: dict[int, str] = field(default_factory=dict)
    #: when carts ended: deleted_at, expired_at or ended_at
    over: dict[int, float] = field(default_factory=dict)
    #: by cart
    warnings: dict[int, list[str]] = field(default_factory=dict)
    requests: dict[int, str] = field(default_factory=dict)
    #: by cart: events and causes
    history: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    uploads: dict[int, UploadRow] = field(default_factory=dict)
    #: by cart and position
    entries: dict[tuple[int, int], CartEntry] = field(default_factory=dict)
    jobs: dict[int, JobRow] = field(default_factory=dict)
    #: by cart and number
    windows: dict[tuple[int, int], WindowRow] = field(default_factory=dict)
    staged_files: dict[str, StagedFileRow] = field(default_factory=dict)
    recalls: dict[str, RecallRow] = field(default_factory=dict)
    #: one row, of key 1: when the next looks may be made
    archive_looks: dict[int, float] = field(default_factory=lambda: {1: 0.0})
    #: by cart: the sharing job, next and stop
    shared_files: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    audit: dict[int, AuditRow] = field(default_factory=dict)
    #: one row, of key 1
    volume: dict[int, VolumeRow] = field(default_factory=lambda: {1: VolumeRow()})


class MemoryDatabase:
    def __init__(self, now: float = 1_000_000.0) -> None:
        """`now`: seconds since the epoch."""
        self.now = now
        self.tables = Tables()
        self._ids = itertools.count(1)
        self._lock = threading.RLock()
        self._depth = 0

    def clock(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds

    def next_id(self) -> int:
        return next(self._ids)

    @property
    def in_transaction(self) -> bool:
        return self._depth > 0

    def transaction(self, work: Callable[[], T]) -> T:
        """Run `work`; when it raises, every table is as it was before."""
        with self._lock:
            if self._depth:
                return work()
            saved = {table.name: dict(getattr(self.tables, table.name)) for table in dataclasses.fields(Tables)}
            self._depth += 1
            try:
                return work()
            except BaseException:
                self.tables = Tables(**saved)
                raise
            finally:
                self._depth -= 1

    def require_transaction(self) -> None:
        """Fail the test when a method that is documented to run within a transaction runs outside of one."""
        assert self._depth, "call this within a transaction"
