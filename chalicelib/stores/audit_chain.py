"""What a seal's hash is made of, byte by byte: docs/audit.md describes it for those who check it with other means."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

NO_SEAL = ""  # the previous hash of the first seal


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row of audit_records. `at`: seconds since the epoch. `details`: JSON as it is stored."""

    id: int
    at: float
    actor: str
    action: str
    owner: str
    uid: str
    cart_id: int
    address: str
    details: str | None


@dataclass(frozen=True, slots=True)
class Seal:
    """One row of audit_seals."""

    id: int
    first_id: int
    last_id: int
    records: int
    previous: str
    hash: str
    sealed_at: float


class SealDigest:
    """Hashes a seal's records, added in the order of their ids."""

    def __init__(self, previous: str) -> None:
        self._hash = hashlib.sha256(f"{previous}\n".encode())
        self.first_id = 0
        self.last_id = 0
        self.records = 0

    def add(self, row: AuditRow) -> None:
        self.first_id = self.first_id or row.id
        self.last_id = row.id
        self.records += 1
        self._hash.update(_line(asdict(row) | {"at": _microseconds(row.at)}))

    def hexdigest(self, seal_id: int, sealed_at: float) -> str:
        last = {"first": self.first_id, "last": self.last_id, "records": self.records}
        done = self._hash.copy()
        done.update(_line({"seal": seal_id, "sealed_at": _microseconds(sealed_at), **last}))
        return done.hexdigest()


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _microseconds(seconds: float) -> int:
    """An integer: programs write floating-point numbers differently."""
    return round(seconds * 1e6)
