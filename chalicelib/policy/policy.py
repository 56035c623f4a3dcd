"""Who may read which files: what every policy answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

BATCH = 1000  # ids in one question


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose rights are asked about; the owner is NOBODY where clients do not log in."""

    owner: str
    groups: tuple[str, ...] = ()


class Policy(Protocol):
    @property
    def asks(self) -> bool:
        """False if everybody may read everything: then nothing is asked, and no row is touched."""

    def refused(self, reader: Reader, archive_ids: Sequence[str]) -> Collection[str]:
        """Those of up to BATCH ids that `reader` may not read. Raises PolicyUnavailable: nobody knows."""
