"""`python -m chalicelib.sweeper`: the sweep where no scheduled Lambda runs it."""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import time

from chalicelib.config import logs
from chalicelib.config.settings import load
from chalicelib.errors import CartError
from chalicelib.wiring import build

log = logging.getLogger(__name__)


def main() -> int:
    try:
        settings = load(os.environ)
    except CartError as error:
        print(error.message, file=sys.stderr)
        return 1
    logs.configure(settings.log_level)
    signals: queue.SimpleQueue[None] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: signals.put(None))
    service = build(settings).service
    while not _told_to_stop(signals, settings.sweep_interval):
        try:
            sent = service.sweep()
        except Exception as error:  # one failed sweep is the next one's work
            log.warning("sweep failed: %s", error)
        else:
            if sent:
                log.info("sent %d jobs", sent)
    return 0


def _told_to_stop(signals: queue.SimpleQueue[None], within: float) -> bool:
    """Wait up to `within` seconds for a signal, looking up each second: a handler runs only when this thread does."""
    deadline = time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0:
        try:
            signals.get(timeout=min(1.0, left))
        except queue.Empty:
            continue
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
