"""The answers of the archive that are no success, summed up: one line of the log for each kind, not for each file."""

from __future__ import annotations

import logging
from dataclasses import dataclass

SHOWN = 300  # bytes of a body


@dataclass(slots=True)
class _Kind:
    first: str
    body: bytes
    count: int = 0


class Refusals:
    """The refusals of one round of requests."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._kinds: dict[int, _Kind] = {}

    def add(self, status: int, archive_id: str, body: bytes) -> None:
        self._kinds.setdefault(status, _Kind(archive_id, body[:SHOWN])).count += 1

    def log(self) -> None:
        for status, kind in self._kinds.items():
            files = "1 file" if kind.count == 1 else f"{kind.count} files, first"
            self._log.info("archive answered %d for %s %r: %r", status, files, kind.first, kind.body)
