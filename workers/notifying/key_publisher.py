"""Publishes, while the worker runs, the public key that its webhooks are verified with."""

from __future__ import annotations

import logging
import threading

from chalicelib.stores.notify_keys import NotifyKeyStore

EVERY = 300.0  # seconds
KEPT = 30 * 86400.0  # seconds a key is served after its last worker: longer than any notification is tried

log = logging.getLogger(__name__)


class KeyPublisher:
    def __init__(self, keys: NotifyKeyStore, public_key: str) -> None:
        """`public_key`: base64; "" if this worker signs nothing."""
        self._keys = keys
        self._public_key = public_key
        self._stopped = threading.Event()

    def run(self) -> None:
        """Until `stop`."""
        while self._public_key and not self._stopped.is_set():
            try:
                self.publish()
            except Exception as error:  # any error: if this thread ended, webhooks would be refused a day later
                log.warning("cannot publish the key of webhooks: %s", error)
            self._stopped.wait(EVERY)

    def publish(self) -> None:
        self._keys.publish(self._public_key, KEPT)

    def stop(self) -> None:
        self._stopped.set()
