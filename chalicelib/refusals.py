"""Records refused requests: those of a login one by one, those without one only as counts by minute and address."""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.caller import NOBODY, Caller
from chalicelib.errors import CartError
from chalicelib.stores.audit import AuditAction, AuditStore
from chalicelib.stores.refusal_counts import MINUTE, RefusalCountStore

OTHERS = "*"  # stands for all addresses beyond `addresses`
NETWORK = 64  # bits: who has one IPv6 address has as many as he likes

log = logging.getLogger(__name__)


class Refusals:
    """A count costs a dict's update; one write in `interval` seconds, for all threads, brings them to the database."""

    def __init__(
        self,
        audit: AuditStore,
        counts: RefusalCountStore,
        close: Callable[[], None],
        *,
        clock: Callable[[], float] = time.time,
        interval: float = 5.0,
        addresses: int = 100,
    ) -> None:
        """`close`: ends a thread's use of the database. `addresses`: counted apart in a minute."""
        self._audit = audit
        self._store = counts
        self._close = close
        self._clock = clock
        self._interval = interval
        self._addresses = addresses
        self._lock = threading.Lock()
        self._counts: dict[tuple[int, str], int] = {}
        self._written_at = 0.0
        self._timer: threading.Timer | None = None

    def record(self, caller: Caller | None, address: str, uid: str, details: Mapping[str, Any]) -> None:
        """`caller`: who was refused; None, or nobody, without a login. Never raises: the refusal is answered anyway."""
        try:
            if caller is None or caller.owner == NOBODY:
                self._count(network_of(address))
            else:
                self._audit.record(caller, AuditAction.REFUSED, uid[:255], details=details)
        except Exception as error:
            log.warning("a refusal is not recorded: %s", error, exc_info=not isinstance(error, CartError))

    def flush(self) -> None:
        """Write what is counted; if that fails, it is written with the next counts."""
        with self._lock:
            counts, self._counts = self._counts, {}
            self._written_at = self._clock()
        try:
            if counts:
                self._store.add(counts)
        except Exception:
            with self._lock:
                for key, refusals in counts.items():
                    self._add(key, refusals)
            raise

    def _count(self, address: str) -> None:
        """The first refusal in a while is written at once: a Lambda may be frozen before a timer rings."""
        with self._lock:
            now = self._clock()
            self._add((int(now // MINUTE), address), 1)
            due = now - self._written_at >= self._interval
            if not due and self._timer is None:
                self._timer = threading.Timer(self._interval, self._flush_later)
                self._timer.daemon = True
                self._timer.start()
            if due:
                self._written_at = now  # no other thread writes too
        if due:
            self.flush()

    def _add(self, key: tuple[int, str], refusals: int) -> None:
        if key not in self._counts and len(self._counts) >= self._addresses:
            key = (key[0], OTHERS)
        self._counts[key] = self._counts.get(key, 0) + refusals

    def _flush_later(self) -> None:
        with self._lock:
            self._timer = None
        try:
            self.flush()
        except Exception as error:
            log.warning("refusals are not counted yet: %s", error, exc_info=not isinstance(error, CartError))
        finally:
            self._close()


def network_of(address: str) -> str:
    """The address of IPv4, the network of IPv6; what is none is shortened."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    mapped = getattr(found, "ipv4_mapped", None)
    if found.version == 4 or mapped:
        return str(mapped or found)
    return str(ipaddress.ip_network((int(found), NETWORK), strict=False))
