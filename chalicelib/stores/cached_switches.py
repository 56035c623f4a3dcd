"""Which switches are set, as this process read them seconds ago: while none is, asking costs no query as a rule."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from chalicelib.db.database import Database
from chalicelib.errors import DatabaseUnavailable
from chalicelib.stores.switches import Pause, Switch, SwitchStore

KEPT = 2.0  # seconds: a pause is noticed within this time, and its end at once

log = logging.getLogger(__name__)


class CachedSwitches:
    """Thread-safe. While the database does not answer, what was read last counts."""

    def __init__(self, database: Database, kept: float = KEPT, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._db = database
        self._store = SwitchStore(database)
        self._kept = kept
        self._monotonic = monotonic
        self._reading = threading.Lock()
        self._reads_at = float("-inf")
        self._pauses: Mapping[str, Pause] = {}

    def paused(self, switch: Switch) -> Pause | None:
        """A pause is looked up again before it counts: after `resume`, nobody is told otherwise for seconds."""
        if self._monotonic() >= self._reads_at and self._reading.acquire(blocking=False):
            try:
                self._read()
            finally:
                self._reading.release()
        elif switch in self._pauses:
            with self._reading:
                self._read()
        return self._pauses.get(switch)

    def _read(self) -> None:
        """A thread that has no connection, such as one that pulls a file, keeps none."""
        connects = self._db.peewee.is_closed()
        try:
            self._pauses = {pause.name: pause for pause in self._store.pauses()}
        except DatabaseUnavailable as error:
            log.debug("cannot read what is paused: %s", error)
        finally:
            self._reads_at = self._monotonic() + self._kept
            if connects:
                self._db.close()
